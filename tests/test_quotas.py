"""Plans' limits of executions: what the leader grants, what requests are refused; neither waits for the other."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection, transaction

from apps.executions.models import Execution, ExecutionLog, Skip, Usage
from apps.jobs import quotas, services
from apps.jobs.dispatch import Dispatcher
from apps.jobs.models import Cursor
from apps.jobs.quotas import Grant, Limits, QuotaExceeded
from apps.jobs.schedules import database_now
from apps.jobs.specs import TriggerSpec
from apps.leadership.session import LeaderSession
from apps.tenants import machine
from apps.tenants.context import all_tenants_scope, tenant_scope
from apps.tenants.models import AuditEntry, Plan
from tests.contract.client import MemberClient
from tests.factories import make_job
from tests.leaders import UNHURRIED
from tests.replicas import wait_for

NOON = datetime(2026, 11, 20, 12, 0, 30, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
NONE = Limits(0, 0)


@pytest.fixture
def leader(live_db: str) -> Iterator[LeaderSession]:
    session = LeaderSession.acquire(replica="tests", timings=UNHURRIED)
    yield session
    session.close(reason="test over")


@pytest.fixture
def limited(plan: Any) -> Iterator[Any]:
    """Sets the limits of the tenants' plan, which outlives the test."""

    def limit(**limits: int) -> None:
        with all_tenants_scope():
            Plan.objects.filter(pk=plan.pk).update(**limits)

    yield limit
    limit(executions_per_minute=0, executions_per_day=0)


def granted(leader: LeaderSession, tenant: Any, wanted: int, limits: Limits, now: datetime = NOON) -> Grant:
    with leader.transaction() as cursor:
        return quotas.grant(cursor, {tenant.pk: wanted}, limits={tenant.pk: limits}, now=now)[tenant.pk]


def charged(tenant: Any) -> dict[tuple[str, datetime, str], int]:
    with tenant_scope(tenant):
        return {(row.period, row.begins, row.by): row.n for row in Usage.objects.filter(tenant=tenant)}


def total(tenant: Any, period: str) -> int:
    return sum(n for (kind, _, _), n in charged(tenant).items() if kind == period)


# -- the leader -------------------------------------------------------------------------------------------------------


def test_what_fits_is_granted_and_charged_in_both_periods(acme: Any, leader: LeaderSession) -> None:
    assert granted(leader, acme, 3, Limits(10, 100)) == Grant(3, "")
    assert granted(leader, acme, 4, Limits(10, 100)) == Grant(4, "")
    minute, day = NOON.replace(second=0), NOON.replace(hour=0, second=0)
    assert charged(acme) == {("minute", minute, "schedule"): 7, ("day", day, "schedule"): 7}


def test_the_day_is_used_up_and_the_sentence_says_when(acme: Any, leader: LeaderSession) -> None:
    first = granted(leader, acme, 700, Limits(0, 1_000), NOON)
    part = granted(leader, acme, 700, Limits(0, 1_000), NOON + 123 * MINUTE)
    none = granted(leader, acme, 5, Limits(0, 1_000), NOON + 300 * MINUTE)
    sentence = "The plan allows 1,000 runs a day; they were used up at 14:03 UTC."
    assert [first, part, none] == [Grant(700, ""), Grant(300, sentence), Grant(0, sentence)]
    assert total(acme, "day") == 1_000
    assert granted(leader, acme, 5, Limits(0, 1_000), NOON + timedelta(days=1)) == Grant(5, "")


def test_a_minute_is_used_up_and_the_next_is_not(acme: Any, leader: LeaderSession) -> None:
    sentence = "The plan allows 1 run a minute; it was used up in that of 12:00 UTC."
    assert granted(leader, acme, 3, Limits(1, 100)) == Grant(1, sentence)
    assert granted(leader, acme, 3, Limits(1, 100)) == Grant(0, sentence)
    assert granted(leader, acme, 1, Limits(1, 100), NOON + MINUTE) == Grant(1, "")


def test_the_day_says_it_where_both_are_used_up(acme: Any, leader: LeaderSession) -> None:
    assert "a day" in granted(leader, acme, 9, Limits(5, 5)).detail
    assert "a minute" in granted(leader, acme, 9, Limits(5, 50), NOON + MINUTE).detail


def test_a_limit_that_was_lowered_below_what_was_made_grants_nothing(
    acme: Any, leader: LeaderSession
) -> None:
    granted(leader, acme, 50, Limits(0, 100))
    assert granted(leader, acme, 1, Limits(0, 10)).allowed == 0
    assert granted(leader, acme, 60, NONE).allowed == 60  # 0 is no limit


def test_tenants_are_granted_apart_in_one_statement(acme: Any, bravo: Any, leader: LeaderSession) -> None:
    limits = {acme.pk: Limits(0, 2), bravo.pk: Limits(5, 0)}
    with leader.transaction() as cursor:
        found = quotas.grant(cursor, {bravo.pk: 9, acme.pk: 9}, limits=limits, now=NOON)
    assert {tenant_id: grant.allowed for tenant_id, grant in found.items()} == {acme.pk: 2, bravo.pk: 5}
    assert (total(acme, "day"), total(bravo, "day")) == (2, 5)


def test_what_is_rolled_back_is_not_charged(acme: Any, leader: LeaderSession) -> None:
    with pytest.raises(ZeroDivisionError), leader.transaction() as cursor:
        quotas.grant(cursor, {acme.pk: 2}, limits={acme.pk: Limits(0, 2)}, now=NOON)
        raise ZeroDivisionError
    assert charged(acme) == {}
    assert granted(leader, acme, 2, Limits(0, 2)).allowed == 2


def test_the_leader_counts_requests_and_waits_for_none(acme: Any, leader: LeaderSession, plan: Any) -> None:
    now = database_now()
    limits = Limits(0, 10)
    with machine.connect(application_name="a web transaction") as web, web.cursor() as cursor:
        row = (acme.pk, now.replace(hour=0, minute=0, second=0, microsecond=0))
        cursor.execute(
            "INSERT INTO executions_usage (tenant_id, period, begins, by, n) VALUES (%s, 'day', %s, 'request', 4)",
            row,
        )
        cursor.execute("BEGIN")
        cursor.execute("UPDATE executions_usage SET n = n + 3 WHERE by = 'request'")
        with leader.transaction() as dispatching:
            dispatching.execute("SET LOCAL lock_timeout = '200ms'")  # it would be refused, not wait
            found = quotas.grant(dispatching, {acme.pk: 9}, limits={acme.pk: limits}, now=now)
        assert found[acme.pk].allowed == 6  # of what is committed
        cursor.execute("COMMIT")
    assert granted(leader, acme, 1, limits, now).allowed == 0


def test_ticks_beyond_the_day_are_skipped_and_say_so_and_the_oldest_run(
    acme: Any, leader: LeaderSession, cast: Any, limited: Any
) -> None:
    due = database_now().replace(second=0, microsecond=0) - 6 * MINUTE
    trigger = TriggerSpec.every(60, anchor_at=due)
    late = {"overlap": "allow", "misfire_grace_seconds": 3_600}
    jobs = [make_job(acme, name=name, trigger=trigger, **late) for name in "ab"]
    with tenant_scope(acme):
        Cursor.objects.filter(job__in=jobs).update(next_run_at=due)
    limited(executions_per_day=5)
    MemberClient(cast.alice).send("POST", f"jobs/{jobs[0].pk}/trigger", {})
    Dispatcher().run_once(leader)
    with tenant_scope(acme):
        ran = sorted(Execution.objects.filter(kind="scheduled").values_list("scheduled_for", flat=True))
        skips = list(Skip.objects.filter(reason="quota"))
    assert ran == [due, due, due + MINUTE, due + MINUTE]
    assert [(skip.first, skip.count) for skip in skips] == [(due + 2 * MINUTE, skips[0].count)] * 2
    assert skips[0].count >= 5
    assert skips[0].detail.startswith("The plan allows 5 runs a day; they were used up at ")
    assert total(acme, "day") == 5
    said = MemberClient(cast.alice).ok(f"jobs/{jobs[1].pk}/why", at=(due + 3 * MINUTE).isoformat())["times"][
        0
    ]
    assert (said["outcome"], said["reason"]) == ("skipped", "quota")
    assert skips[0].detail in said["sentence"]


# -- requests ---------------------------------------------------------------------------------------------------------


def live(tenant: Any) -> int:
    with tenant_scope(tenant):
        return Execution.objects.filter(tenant=tenant).count()


def finished(tenant: Any, job: Any, number: int) -> list[int]:
    at = database_now() - timedelta(hours=1)
    with tenant_scope(tenant):
        rows = [
            ExecutionLog(
                id=900_000 + n, tenant=tenant, job_id=job.pk, job_name=job.name, kind="scheduled",
                scheduled_for=at - n * MINUTE, run_at=at, task_type=job.task_type, target=job.target,
                status="failed", attempts=1, finished_at=at, created_at=at,
            )
            for n in range(number)
        ]  # fmt: skip
        return [row.pk for row in ExecutionLog.objects.bulk_create(rows)]


def quiet_minute() -> None:
    """Waits for a minute with enough left of it, where a test counts in one."""
    wait_for(lambda: database_now().second < 50, "a new minute", seconds=15)


@pytest.mark.django_db
def test_a_request_beyond_the_day_is_refused_whole_and_loses_nothing(
    acme: Any, cast: Any, limited: Any
) -> None:
    alice, job = MemberClient(cast.alice), make_job(acme)
    ids = finished(acme, job, 5)
    limited(executions_per_day=4)
    assert alice.send("POST", f"jobs/{job.pk}/trigger", {}).status_code == 202
    refused = alice.send("POST", "executions/bulk-retry", {"execution_ids": ids[:4]})
    assert refused.status_code == 429, refused.content
    now = database_now()
    left = (now.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1) - now).total_seconds()
    assert 0 <= int(refused.headers["Retry-After"]) - left <= 2
    assert refused.json()["detail"] == (
        "The plan allows 4 runs a day and has made 1 in this one; 4 more can be had from 00:00 UTC on."
    )
    assert (live(acme), total(acme, "day")) == (1, 1)
    with all_tenants_scope():
        assert not AuditEntry.objects.filter(action="execution.retry").exists()
    assert alice.send("POST", "executions/bulk-retry", {"execution_ids": ids[:3]}).status_code == 202
    for path in (
        f"jobs/{job.pk}/trigger",
        f"executions/{ids[4]}/retry",
        f"tasks/{job.task_type}/{job.pk}/manual-trigger",
    ):
        assert alice.send("POST", path, {}).status_code == 429, path
    assert (live(acme), total(acme, "day"), total(acme, "minute")) == (4, 4, 4)


@pytest.mark.django_db
def test_a_backfill_is_charged_for_all_that_it_makes(acme: Any, cast: Any, limited: Any) -> None:
    alice, job = MemberClient(cast.alice), make_job(acme, trigger=TriggerSpec.cron("0 * * * *"))
    hour = database_now().replace(minute=0, second=0, microsecond=0)
    limited(executions_per_day=5)
    asked = {"from": (hour - timedelta(hours=7)).isoformat(), "to": (hour - timedelta(hours=1)).isoformat()}
    refused = alice.send("POST", f"jobs/{job.pk}/backfill", asked)
    assert refused.status_code == 429
    assert refused.json()["detail"] == "The plan allows 5 runs a day, and this asks for 7 at once."
    assert "Retry-After" not in refused.headers  # waiting does not help
    assert alice.send("POST", f"jobs/{job.pk}/backfill", {**asked, "dry_run": True}).status_code == 200
    fewer = {**asked, "from": (hour - timedelta(hours=5)).isoformat()}
    assert alice.send("POST", f"jobs/{job.pk}/backfill", fewer).status_code == 202
    assert (live(acme), total(acme, "day")) == (5, 5)
    assert (
        alice.send("POST", f"jobs/{job.pk}/backfill", fewer).status_code == 202
    )  # makes nothing, costs nothing


@pytest.mark.django_db
def test_a_minute_that_is_used_up_says_how_long_it_lasts(acme: Any, cast: Any, limited: Any) -> None:
    alice, job = MemberClient(cast.alice), make_job(acme)
    limited(executions_per_minute=1)
    quiet_minute()
    assert alice.send("POST", f"jobs/{job.pk}/trigger", {}).status_code == 202
    refused = alice.send("POST", f"jobs/{job.pk}/trigger", {})
    assert refused.status_code == 429
    assert 1 <= int(refused.headers["Retry-After"]) <= 60
    assert "one more can be had from" in refused.json()["detail"]


@pytest.mark.django_db
def test_a_refused_request_leaves_its_idempotency_key_free(acme: Any, cast: Any, limited: Any) -> None:
    alice, job = MemberClient(cast.alice), make_job(acme)
    headers = {"Idempotency-Key": "once"}
    limited(executions_per_day=1)
    alice.send("POST", f"jobs/{job.pk}/trigger", {})
    assert alice.send("POST", f"jobs/{job.pk}/trigger", {}, **headers).status_code == 429
    limited(executions_per_day=2)
    done = alice.send("POST", f"jobs/{job.pk}/trigger", {}, **headers)
    again = alice.send("POST", f"jobs/{job.pk}/trigger", {}, **headers)
    assert (done.status_code, again.headers["Idempotency-Replayed"]) == (202, "true")
    assert (live(acme), total(acme, "day")) == (2, 2)


@pytest.mark.django_db
def test_one_tenant_uses_up_nothing_of_another(
    acme: Any, bravo: Any, cast: Any, other_cast: Any, limited: Any
) -> None:
    limited(executions_per_day=1)
    for tenant, who in ((acme, cast), (bravo, other_cast)):
        job = make_job(tenant)
        answers = [
            MemberClient(who.alice).send("POST", f"jobs/{job.pk}/trigger", {}).status_code for _ in "ab"
        ]
        assert answers == [202, 429]


def test_racing_requests_are_granted_exactly(acme: Any, live_db: str, limited: Any) -> None:
    jobs = [make_job(acme, name=f"job {n}") for n in range(4)]
    limited(executions_per_day=9)
    ready, made, refused = threading.Barrier(8), [], []

    def ask(number: int) -> None:
        try:
            ready.wait(20)
            for _ in range(3):
                try:
                    made.append(services.job_trigger(tenant=acme, job_id=jobs[number % 4].pk, actor="tests"))
                except QuotaExceeded as error:
                    refused.append(error.retry_after)
        finally:
            connection.close()

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert (len(made), len(refused), live(acme), total(acme, "day")) == (9, 15, 9, 9)


def test_a_request_waits_for_the_one_before_and_then_sees_it(acme: Any, live_db: str, limited: Any) -> None:
    job, other = make_job(acme), make_job(acme)
    limited(executions_per_day=1)
    outcome: list[str] = []

    def ask() -> None:
        try:
            services.job_trigger(tenant=acme, job_id=other.pk, actor="tests")
            outcome.append("made")
        except QuotaExceeded:
            outcome.append("refused")
        finally:
            connection.close()

    asking = threading.Thread(target=ask)
    with tenant_scope(acme), transaction.atomic():
        services.job_trigger(tenant=acme, job_id=job.pk, actor="tests")
        asking.start()
        with machine.connect(application_name="watching") as watching:
            blocked = (
                "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
                " AND query LIKE '%executions_usage%'"
            )
            wait_for(lambda: watching.execute(blocked).fetchone() == (1,), "the second waits for the first")
        assert outcome == []
    asking.join(30)
    assert (outcome, live(acme)) == (["refused"], 1)


# -- what is used -----------------------------------------------------------------------------------------------------


@pytest.mark.django_db
def test_usage_shows_limits_and_what_is_used(acme: Any, cast: Any, limited: Any) -> None:
    vic, job = MemberClient(cast.vic), make_job(acme)
    free = vic.ok("usage")
    assert free["executions_per_day"] | {"resets_at": ""} == {"limit": None, "used": None, "resets_at": ""}
    assert free["concurrency"] == {"limit": None, "used": 0}
    limited(executions_per_day=10)
    MemberClient(cast.alice).send("POST", f"jobs/{job.pk}/trigger", {})
    counted = vic.ok("usage")
    assert (counted["executions_per_day"]["limit"], counted["executions_per_day"]["used"]) == (10, 1)
    assert counted["executions_per_minute"]["limit"] is None
    assert (counted["jobs"]["used"], counted["plan"]) == (1, "tests")
    midnight = datetime.fromisoformat(counted["executions_per_day"]["resets_at"])
    assert timedelta(0) < midnight - database_now() <= timedelta(days=1)


@pytest.mark.django_db
def test_operators_see_use_against_the_plan_and_set_its_limits(acme: Any, browser: Any, limited: Any) -> None:
    limited(executions_per_day=1_200)
    with tenant_scope(acme):
        now = database_now().replace(hour=0, minute=0, second=0, microsecond=0)
        Usage.objects.create(tenant=acme, period="day", begins=now, by="schedule", n=1_100)
    page = browser.get(f"/admin/tenants/tenant/{acme.pk}/change/").content.decode()
    assert "1,100 of 1,200 runs made today" in page
    address = f"/admin/tenants/plan/{acme.plan_id}/change/"
    form = browser.get(address).context["adminform"].form
    fields = {name: value for name, value in form.initial.items() if value is not None}
    fields["allowed_tasks"] = "*"
    assert browser.post(address, {**fields, "executions_per_day": -1}).status_code == 200  # shown again
    assert browser.post(address, {**fields, "executions_per_day": 7}).status_code == 302
    with all_tenants_scope():
        assert Plan.objects.get(pk=acme.plan_id).executions_per_day == 7
        assert AuditEntry.objects.filter(action="plan.update").exists()
