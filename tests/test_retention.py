"""What is older than a tenant's plan keeps goes: rows, outputs, attempts, counts. Cumulative totals do not go down."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection, transaction
from django.db.models import Sum

from apps.executions import selectors
from apps.executions.models import (
    Attempt,
    Counter,
    Delta,
    ExecutionLog,
    ExecutionOutput,
    ImportRun,
    Skip,
    Tally,
    TenantTotals,
    Usage,
)
from apps.executions.retention import Retention
from apps.leadership.models import LeaderTerm, RefusedWrite, SchedulerEvent
from apps.leadership.session import LeaderSession
from apps.operations.statements import TOTALS, add_drift, read_totals
from apps.tenants.context import all_tenants_scope, tenant_scope
from apps.tenants.identity import UserForms
from apps.tenants.models import IdempotentRequest, Plan
from tests.drift import run
from tests.factories import PlanFactory, make_job
from tests.leaders import UNHURRIED
from tests.ledgers import finished, fold, midnight, old_days, partitions_of, retain


@pytest.fixture
def leader(live_db: str) -> Iterator[LeaderSession]:
    session = LeaderSession.acquire(replica="tests", timings=UNHURRIED)
    yield session
    session.close(reason="test over")


@pytest.fixture
def short(live_db: str, bravo: Any) -> Iterator[Plan]:
    """Bravo keeps two days, Acme what it had: thirty."""
    before = bravo.plan_id
    plan = PlanFactory(name=f"short-{uuid4()}", retention_days=2)
    _put_on(bravo, plan.pk)
    try:
        yield plan
    finally:
        _put_on(bravo, before)
        with all_tenants_scope():
            plan.delete()


def _put_on(tenant: Any, plan_id: int) -> None:
    with all_tenants_scope():
        type(tenant).objects.filter(pk=tenant.pk).update(plan_id=plan_id)


def _left(tenant: Any) -> tuple[int, int, int]:
    """Rows of the ledger, outputs and attempts, as the tenant sees them."""
    with tenant_scope(tenant):
        models = (ExecutionLog, ExecutionOutput, Attempt)
        log, outputs, attempts = (model.objects.filter(tenant=tenant).count() for model in models)
        return log, outputs, attempts


def _account(tenant: Any) -> None:
    """Bring the totals to what the history says now, as if a leader had counted all of it."""
    with all_tenants_scope(), transaction.atomic():
        found, wanted = read_totals(tenant.pk)
        add_drift(tenant.pk, {name: wanted[name] - found[name] for name in TOTALS})


def _totals(tenant: Any) -> dict[str, int]:
    with all_tenants_scope():
        return dict(TenantTotals.objects.filter(tenant=tenant).values(*TOTALS).get())


def _drift(tenant: Any) -> list[Any]:
    return run(kinds=["cumulative_stats"], tenant=tenant, dry_run=True).items


def test_each_tenant_keeps_what_its_plan_says(
    leader: LeaderSession, acme: Any, bravo: Any, short: Plan
) -> None:
    with old_days(3, 2, 40):
        for tenant in (acme, bravo):
            for days in (1, 2, 3):
                finished(tenant, days, 7)
            fold(leader)
        counts = retain(leader, batch=3)
        assert counts["executions_retired"] == 7
        assert _left(acme) == (21, 21, 21)
        assert _left(bravo) == (14, 14, 14)
        with tenant_scope(bravo):
            oldest = ExecutionLog.objects.filter(tenant=bravo).order_by("scheduled_for").first()
        assert oldest is not None
        assert oldest.scheduled_for >= midnight(2)


def test_counts_follow_and_cumulative_totals_do_not(
    leader: LeaderSession, acme: Any, bravo: Any, short: Plan
) -> None:
    finished(bravo, 5, 4)
    finished(bravo, 5, 3, user_id="u-2", status="failed", kind="manual")
    finished(bravo, 0, 2)
    fold(leader)
    _account(bravo)
    before = _totals(bravo)
    assert before == {"tasks_found": 6, "tasks_executed": 6, "tasks_failed": 3, "tasks_skipped": 0}

    step = Retention(rest=0, batch=2)
    seen = set()
    while step.run_once(leader).again:  # folded or not, at each moment a count is that of the rows
        with all_tenants_scope():
            total = selectors.finished_count(tenant_id=bravo.pk)
            assert total == ExecutionLog.objects.filter(tenant=bravo).count()
            seen.add(total)
            assert _drift(bravo) == ()
        if total in (7, 5):
            fold(leader)
    assert seen >= {9, 7, 5, 3, 2}
    fold(leader)
    with all_tenants_scope():
        assert selectors.finished_count(tenant_id=bravo.pk, status="failed") == 0
        assert selectors.finished_count(tenant_id=bravo.pk, user=UserForms(["u-1"], [])) == 2
        assert not Delta.objects.exists()
        assert Counter.objects.filter(tenant=bravo).aggregate(n=Sum("n"), fired=Sum("fired")) == {
            "n": 2,
            "fired": 2,
        }
        # Cells and users of whom nothing is left leave no row.
        assert not Counter.objects.filter(n=0).exists()
        assert not Tally.objects.filter(tenant=bravo, user_key="u-2").exists()
        term = TenantTotals.objects.get(tenant=bravo)
    assert (term.term_executed, term.term_failed) == (6, 3)
    assert (term.retired_found, term.retired_executed, term.retired_failed) == (4, 4, 3)
    assert _totals(bravo) == before
    assert _drift(bravo) == ()


def test_a_day_that_nobody_keeps_is_dropped_whole_with_its_counts(
    leader: LeaderSession, acme: Any, bravo: Any
) -> None:
    with old_days(35, 20):
        for tenant, n in ((acme, 5), (bravo, 4)):
            finished(tenant, 35, n)
            finished(tenant, 35, 2, user_id=None, legacy_user_id=5, status="failed")
            finished(tenant, 20, 3)
        fold(leader)
        _account(acme)
        before = _totals(acme)
        assert len(partitions_of(35)) == 3
        counts = retain(leader)
        assert (counts["partitions_dropped"], counts["executions_retired"]) == (3, 13)
        assert partitions_of(35) == set()
        assert len(partitions_of(20)) == 3
        assert _left(acme) == (3, 3, 3)
        with all_tenants_scope():
            assert selectors.finished_count(tenant_id=acme.pk) == 3
            assert Counter.objects.aggregate(n=Sum("n")) == {"n": 6}
        assert _totals(acme) == before
        assert _drift(acme) == ()


def test_a_day_waits_for_what_is_not_folded(leader: LeaderSession, acme: Any) -> None:
    with old_days(35):
        finished(acme, 35, 5)
        step = Retention(rest=0)
        assert step.run_once(leader).counts == {"retention_waits": 1}
        assert len(partitions_of(35)) == 3
        fold(leader)
        assert retain(leader)["partitions_dropped"] == 3
        with all_tenants_scope():
            assert selectors.finished_count(tenant_id=acme.pk) == 0


@pytest.mark.parametrize("why", ["for ever", "imported lately"])
def test_a_tenant_that_keeps_its_rows_longer_keeps_their_partition(
    leader: LeaderSession, acme: Any, bravo: Any, short: Plan, why: str
) -> None:
    if why == "for ever":
        with all_tenants_scope():
            Plan.objects.filter(pk=short.pk).update(retention_days=0)
    else:
        with all_tenants_scope():
            ImportRun.objects.create(
                tenant=bravo, digest="d", size=1, file_name="f", finished_at=datetime.now(UTC)
            )
    with old_days(35):
        finished(acme, 35, 2)
        finished(bravo, 35, 2, kind="imported", epoch=None)
        fold(leader)
        retain(leader)
        assert len(partitions_of(35)) == 3
        assert _left(acme) == (0, 0, 0)
        assert _left(bravo) == (2, 2, 2)
        with all_tenants_scope():
            assert selectors.finished_count(tenant_id=bravo.pk) == 2
            Plan.objects.filter(pk=short.pk).update(retention_days=2)
            ImportRun.objects.update(updated_at=datetime.now(UTC) - timedelta(days=3))
        assert retain(leader)["partitions_dropped"] == 3
        assert _left(bravo) == (0, 0, 0)


def test_no_partition_goes_while_an_import_is_about_to_fill_it(leader: LeaderSession, acme: Any) -> None:
    with old_days(35):
        with all_tenants_scope():
            under_way = ImportRun.objects.create(tenant=acme, digest="d", size=1, file_name="f")
        retain(leader)
        assert len(partitions_of(35)) == 3
        with all_tenants_scope():
            ImportRun.objects.filter(pk=under_way.pk).update(finished_at=datetime.now(UTC))
        assert retain(leader)["partitions_dropped"] == 3


def test_skips_go_when_they_are_old_as_a_whole(leader: LeaderSession, bravo: Any, short: Plan) -> None:
    ranges = {"old": (9, 5, "overlap", 1), "reaches in": (9, 1, "paused", 1), "new": (1, 0, "misfire", 1)}
    ranges |= {"edited": (8, 6, "edited", 1), "of a service": (7, 6, "paused", None)}
    with all_tenants_scope():
        for detail, (first, last, reason, epoch) in ranges.items():
            Skip.objects.create(
                tenant=bravo,
                job_id=make_job(bravo, name=detail).pk,
                first=midnight(first),
                last=midnight(last),
                count=10,
                reason=reason,
                detail=detail,
                epoch=epoch,
            )
    _account(bravo)
    before = _totals(bravo)
    assert retain(leader, batch=1)["skips_retired"] == 3
    with all_tenants_scope():
        assert set(Skip.objects.values_list("detail", flat=True)) == {"reaches in", "new"}
        totals = TenantTotals.objects.get(tenant=bravo)
    assert (totals.retired_found, totals.retired_skipped) == (20, 10)
    assert _totals(bravo) == before
    assert _drift(bravo) == ()


def test_users_that_were_mapped_after_they_were_counted_leave_no_cell(
    leader: LeaderSession, bravo: Any, short: Plan
) -> None:
    finished(bravo, 5, 3, user_id=None, legacy_user_id=5)
    fold(leader)
    _account(bravo)
    with all_tenants_scope():
        ExecutionLog.objects.filter(tenant=bravo).update(user_id="u-five")
    retain(leader)
    with all_tenants_scope():
        assert selectors.finished_count(tenant_id=bravo.pk, user=UserForms(["5", "u-five"], [5])) == 0
    retain(leader)
    with all_tenants_scope():
        assert not Counter.objects.filter(tenant=bravo).exists()
        assert selectors.finished_count(tenant_id=bravo.pk) == 0
    assert _drift(bravo) == ()


def test_a_row_that_somebody_holds_is_left_for_later(leader: LeaderSession, bravo: Any, short: Plan) -> None:
    finished(bravo, 5, 3)
    fold(leader)
    with all_tenants_scope(), transaction.atomic():
        held = list(ExecutionLog.objects.select_for_update().filter(tenant=bravo)[:1])
        assert held
        counts: list[Any] = []
        thread = threading.Thread(target=lambda: counts.append(retain(leader)))
        thread.start()
        thread.join(20)
        assert not thread.is_alive()
    assert counts[0]["retention_blocked"] == 1
    assert _left(bravo) == (3, 3, 3)
    with all_tenants_scope():
        assert selectors.finished_count(tenant_id=bravo.pk) == 3
    assert retain(leader)["executions_retired"] == 3


def test_what_grows_elsewhere_has_a_bound(
    leader: LeaderSession, cast: Any, bravo: Any, acme: Any, short: Plan
) -> None:
    now = datetime.now(UTC)
    old, ancient = now - timedelta(days=31), now - timedelta(days=401)
    with all_tenants_scope():
        for at in (now, old):
            SchedulerEvent.objects.create(event_type="check_cycle", event_date=at)
            SchedulerEvent.objects.create(tenant=acme, event_type="job_failed", event_date=at)
            IdempotentRequest.objects.create(
                tenant=acme, membership=cast.alice, key=f"{at}", fingerprint="f", created_at=at
            )
        SchedulerEvent.objects.create(tenant=bravo, event_type="job_failed", event_date=midnight(4))
        for period, begins in (("minute", now), ("minute", old), ("day", old), ("day", ancient)):
            Usage.objects.create(tenant=acme, period=period, begins=begins, by="schedule", n=1)
        for digest, at, ended in (("a", old, None), ("b", ancient, ancient)):
            run_of = ImportRun.objects.create(
                tenant=acme, digest=digest, size=1, file_name="f", finished_at=ended
            )
            ImportRun.objects.filter(pk=run_of.pk).update(updated_at=at)
        LeaderTerm.objects.create(
            term_id=uuid4(), replica="r", host="h", process_id=1, backend_pid=1, ended_at=ancient
        )
        LeaderTerm.objects.create(
            term_id=uuid4(), replica="r", host="h", process_id=1, backend_pid=1, ended_at=old
        )
        for then in (ancient, old):
            RefusedWrite.objects.create(at=then, actor="worker", name="w", what="stale_lease", count=1)
    retain(leader)
    with all_tenants_scope():
        assert SchedulerEvent.objects.filter(event_date__lt=now - timedelta(days=1)).count() == 0
        assert SchedulerEvent.objects.filter(event_date=now).count() == 2
        assert IdempotentRequest.objects.count() == 1
        kept = set(Usage.objects.values_list("period", "begins"))
        assert kept == {("minute", now), ("day", old)}
        assert [each.digest for each in ImportRun.objects.all()] == ["a"]
        assert [refused.at for refused in RefusedWrite.objects.all()] == [old]
        assert LeaderTerm.objects.filter(ended_at=old).exists()
        assert not LeaderTerm.objects.filter(ended_at=ancient).exists()
        assert LeaderTerm.objects.filter(epoch=leader.epoch, ended_at=None).exists()


def test_the_machine_cannot_delete_outputs_and_a_tenant_only_its_own(
    leader: LeaderSession, acme: Any, bravo: Any
) -> None:
    for tenant in (acme, bravo):
        finished(tenant, 1, 2)
    delete = "DELETE FROM executions_executionoutput WHERE scheduled_for < now()"
    assert leader.connection.execute(delete).rowcount == 0
    with tenant_scope(acme), connection.cursor() as cursor:
        cursor.execute(delete)
        assert cursor.rowcount == 2
    assert _left(bravo)[1] == 2


def test_a_round_rests_between_its_pieces(leader: LeaderSession, bravo: Any, short: Plan) -> None:
    finished(bravo, 5, 5)
    fold(leader)
    step = Retention(batch=2, rest=4.0)
    rests = []
    while (result := step.run_once(leader)).wake_in is not None:
        assert not result.again
        rests.append(result.wake_in)
    assert len(rests) >= 4
    assert min(rests) > 0
    assert _left(bravo) == (0, 0, 0)
