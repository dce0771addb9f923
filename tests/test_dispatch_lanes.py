"""Nobody's burst stands in the way of others: lanes when due jobs are read, ranks and quotas when they are written."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest

from apps.executions.models import Execution, Skip, Usage
from apps.jobs.dispatch import Dispatcher
from apps.jobs.jitter import fraction
from apps.jobs.models import Cursor, Job
from apps.leadership.session import LeaderSession
from apps.tenants import machine
from apps.tenants.models import Plan, Tenant
from tests.dispatching import leading, settle, stand, ticks_of

SECOND = timedelta(seconds=1)
BURST = """
WITH job AS (
    INSERT INTO jobs_job (tenant_id, name, trigger_type, interval_seconds, anchor_at, target, task_type)
    SELECT %(tenant)s, 'job ' || n, 'interval', 3600, %(due)s, 'tests.noop', 'noop' FROM generate_series(1, %(n)s) AS n
    RETURNING id
)
INSERT INTO jobs_cursor (job_id, tenant_id, next_run_at, lane)
SELECT id, %(tenant)s, %(due)s, length(row_number() OVER (ORDER BY id)::text) FROM job
"""


@pytest.fixture
def led(live_db: str) -> Iterator[tuple[LeaderSession, datetime]]:
    with leading() as pair:
        yield pair


def burst(tenant: Any, due: datetime, n: int) -> None:
    with machine.connect(application_name="burst") as session:
        session.execute(BURST, {"tenant": tenant.pk, "due": due, "n": n})


def made_for(tenant: Any) -> int:
    return Execution.objects.filter(tenant_id=tenant.pk).count()


def test_ten_jobs_are_in_the_next_chunk_however_many_another_tenant_has_due(
    acme: Any, bravo: Any, led: tuple[LeaderSession, datetime]
) -> None:
    session, now = led
    burst(acme, now - 2 * SECOND, 12_000)
    dispatcher = Dispatcher(chunk=500)
    dispatcher.run_once(session)  # acme's is well under way
    burst(bravo, now - SECOND, 10)

    result = dispatcher.run_once(session)

    assert (made_for(bravo), result.counts["fired"], result.again) == (10, 500, True)
    for _ in range(3):
        assert (
            dispatcher.run_once(session).counts["fired"] == 500
        )  # what a lane does not need the others have
    assert made_for(acme) == 5 * 500 - 10


def test_every_lane_has_a_share_of_a_chunk_while_another_is_full(
    acme: Any, led: tuple[LeaderSession, datetime]
) -> None:
    session, now = led
    jobs = [stand(acme, now - 9 * SECOND, lane=1) for _ in range(60)]
    late = [stand(acme, now - SECOND, lane=5) for _ in range(60)]

    Dispatcher(chunk=40).run_once(session)

    done = set(Execution.objects.values_list("job_id", flat=True))
    assert [len(done & {job.pk for job in part}) for part in (jobs, late)] == [20, 20]


def test_the_next_due_time_is_that_of_any_lane(acme: Any, led: tuple[LeaderSession, datetime]) -> None:
    session, now = led
    stand(acme, now + 50 * SECOND, lane=1)
    stand(acme, now + 20 * SECOND, lane=6)
    stand(acme, now + 40 * SECOND, lane=2)

    wake_in = Dispatcher().run_once(session).wake_in

    assert wake_in is not None
    assert 15 < wake_in <= 20


def test_ranks_interleave_tenants_and_go_by_priority_within_one(
    acme: Any, bravo: Any, led: tuple[LeaderSession, datetime]
) -> None:
    session, now = led
    plain = [stand(acme, now, name=f"plain {n}") for n in range(3)]
    urgent = stand(acme, now, priority=5)
    other = stand(bravo, now)

    settle(Dispatcher(), session)

    rank = dict(Execution.objects.values_list("job_id", "rank"))
    assert [rank[job.pk] for job in (urgent, *plain)] == [1, 2, 3, 4]
    assert rank[other.pk] == 1
    later = stand(acme, now)
    settle(Dispatcher(), session)
    assert Execution.objects.get(job_id=later.pk).rank == 5


def test_jitter_moves_a_run_by_its_jobs_own_fraction_and_it_is_ranked_when_due(
    acme: Any, led: tuple[LeaderSession, datetime]
) -> None:
    session, now = led
    jobs = [stand(acme, now, jitter_seconds=600) for _ in range(5)]

    settle(Dispatcher(), session)

    for job in jobs:
        run = Execution.objects.get(job_id=job.pk)
        assert (run.scheduled_for, run.rank) == (now, None)
        assert abs((run.run_at - now).total_seconds() - 600 * fraction(job.pk)) < 0.001
    assert len({run.run_at for run in Execution.objects.all()}) == 5


@pytest.fixture
def limit(acme: Any) -> Iterator[Callable[..., None]]:
    """Gives acme a plan of its own for the test, with these limits."""
    names = [field.attname for field in Plan._meta.concrete_fields if field.attname not in ("id", "name")]
    made: list[Plan] = []

    def give(**limits: int) -> None:
        columns = {name: getattr(acme.plan, name) for name in names}
        made.append(Plan.objects.create(name="limited", **{**columns, **limits}))
        Tenant.objects.filter(pk=acme.pk).update(plan=made[0])

    yield give
    Tenant.objects.filter(pk=acme.pk).update(plan=acme.plan_id)
    Plan.objects.filter(name="limited").delete()


def test_what_is_beyond_a_tenants_quota_is_skipped_and_says_so(
    acme: Any, bravo: Any, led: tuple[LeaderSession, datetime], limit: Callable[..., None]
) -> None:
    session, now = led
    limit(executions_per_day=3)
    early = [stand(acme, now - SECOND) for _ in range(2)]
    late = [stand(acme, now) for _ in range(4)]
    others = [stand(bravo, now) for _ in range(4)]

    settle(Dispatcher(), session)

    assert [len(ticks_of(job)) for job in early] == [1, 1]
    assert sum(len(ticks_of(job)) for job in late) == 1
    skips = Skip.objects.filter(tenant_id=acme.pk)
    assert [(skip.reason, skip.first, skip.count) for skip in skips] == [("quota", now, 1)] * 3
    assert all("3 runs a day" in skip.detail for skip in skips)
    assert [len(ticks_of(job)) for job in others] == [1] * 4
    assert sum(Usage.objects.filter(tenant_id=acme.pk, period="day").values_list("n", flat=True)) == 3
    assert not Cursor.objects.filter(next_run_at__lte=now).exists()


def test_a_tick_that_is_skipped_anyway_is_not_charged(
    acme: Any, led: tuple[LeaderSession, datetime], limit: Callable[..., None]
) -> None:
    session, now = led
    limit(executions_per_day=2)
    jobs: list[Job] = [
        stand(
            acme,
            now - 3 * SECOND,
            trigger_type="interval",
            interval_seconds=1,
            anchor_at=now - 3 * SECOND,
            misfire_grace_seconds=60,
        )
        for _ in range(2)
    ]

    Dispatcher().run_once(session)

    assert [ticks_of(job) for job in jobs] == [[now - 3 * SECOND]] * 2
    assert set(Skip.objects.values_list("reason", flat=True)) == {"overlap"}
    assert sum(Usage.objects.filter(period="day").values_list("n", flat=True)) == 2
