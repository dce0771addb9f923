"""The pulse: its token moves with whatever the member sees, and with nothing else; and what it costs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any, TypeVar

import psycopg
import pytest
from django.db import connection
from django.db.models import F, Model

from apps.executions import queue
from apps.executions.counters import CounterFold
from apps.executions.models import Execution
from apps.executions.reaper import Reaper
from apps.jobs import runs, services
from apps.jobs.dispatch import Dispatcher
from apps.jobs.models import Cursor, Job
from apps.jobs.outcomes import OutcomeFold
from apps.leadership.session import LeaderSession
from apps.tenants import machine
from apps.tenants.context import all_tenants_scope
from tests.contract.client import MemberClient
from tests.contract.records import Records, now
from tests.dispatching import leading, stand
from tests.factories import make_job
from tests.workers import end_of

Row = TypeVar("Row", bound=Model)
HOUR = timedelta(hours=1)
NOBODY: set[str] = set()


class Watch:
    """Alice sees the tenant, Bob and Vic what is theirs; Charlie is Bravo's."""

    def __init__(self, cast: Any, other_cast: Any) -> None:
        people = {"alice": cast.alice, "bob": cast.bob, "vic": cast.vic, "charlie": other_cast.alice}
        self._clients = {name: MemberClient(membership) for name, membership in people.items()}
        self._tokens = {name: self.of(name)["token"] for name in self._clients}

    def of(self, name: str) -> dict[str, Any]:
        payload: dict[str, Any] = self._clients[name].ok("pulse")
        return payload

    def moved(self, what: Callable[[], object] | None = None) -> set[str]:
        """Whose token is another one after `what`."""
        if what is not None:
            with all_tenants_scope():
                what()
        before, self._tokens = self._tokens, {name: self.of(name)["token"] for name in self._clients}
        return {name for name, token in self._tokens.items() if token != before[name]}


class Machine:
    """The scheduler and a worker, one step at a time."""

    def __init__(self, leader: LeaderSession, session: psycopg.Connection[Any]) -> None:
        self.leader, self.session = leader, session
        self.taken: list[queue.Claimed] = []
        self._outcomes = OutcomeFold()

    def dispatch(self) -> None:
        assert Dispatcher().run_once(self.leader).counts

    def claim(self, lease_seconds: float = 60.0) -> None:
        with self.session.cursor() as cursor:
            self.taken = queue.claim(worker="w", limit=10, lease_seconds=lease_seconds).on(cursor)
        assert self.taken

    def end(self, outcome: str = "success") -> None:
        with self.session.cursor() as cursor:
            queue.complete([end_of(row, outcome) for row in self.taken]).on(cursor)

    def put_back(self) -> None:
        [row] = self.taken
        failed: queue.Failed = {
            "id": row.id, "token": row.token, "outcome": "failed", "error_message": "it failed",
            "started": row.leased_at, "finished": row.leased_at, "delay": 3600.0,
        }  # fmt: skip
        with self.session.cursor() as cursor:
            queue.retry([failed], worker="w").on(cursor)

    def count(self) -> None:
        assert CounterFold().run_once(self.leader).counts["deltas"]

    def tell(self) -> None:
        assert self._outcomes.run_once(self.leader).counts["notes"]

    def reap(self) -> None:
        assert Reaper().run_once(self.leader).counts["reaped"]


@pytest.fixture
def works(live_db: str, cast: Any, other_cast: Any) -> Iterator[Machine]:
    with leading() as (leader, _), machine.connect(application_name="tests") as session:
        yield Machine(leader, session)


@pytest.fixture
def watch(works: Machine, cast: Any, other_cast: Any) -> Watch:
    return Watch(cast, other_cast)


def vics(cast: Any, **fields: Any) -> Job:
    with all_tenants_scope():
        return stand(cast.tenant, now() - timedelta(seconds=1), user_id=cast.vic.user_id, **fields)


def set_on(job: Job, **columns: Any) -> None:
    with all_tenants_scope():
        assert Cursor.objects.filter(job_id=job.pk).update(**columns) == 1


def only(model: type[Row]) -> Row:
    with all_tenants_scope():
        return model._default_manager.get()


def test_runs_from_their_dispatch_to_what_their_job_learns(works: Machine, watch: Watch, cast: Any) -> None:
    """All of Vic's: Alice and Vic see each step, Bob and Bravo none."""
    vics(cast, cool_off_after=1)
    watch.moved()
    seen = {"alice", "vic"}
    assert watch.moved() == NOBODY
    assert watch.moved(works.dispatch) == seen
    assert [watch.of("vic")[key] for key in ("running", "waiting", "attention")] == [0, 1, 0]
    assert watch.moved(works.claim) == seen
    assert [watch.of("vic")[key] for key in ("running", "waiting", "attention")] == [1, 0, 0]
    assert watch.moved(works.end) == seen
    assert [watch.of("alice")[key] for key in ("running", "waiting", "attention")] == [0, 0, 0]
    assert watch.moved(works.count) == NOBODY
    assert watch.moved(works.tell) == seen


def test_a_run_that_begins_and_ends_between_two_looks(works: Machine, watch: Watch, cast: Any) -> None:
    vics(cast)
    works.dispatch()
    watch.moved()

    def runs_through() -> None:
        for step in (works.claim, works.end, works.count, works.tell):
            step()

    assert watch.moved(runs_through) == {"alice", "vic"}


def test_attempts(works: Machine, watch: Watch, cast: Any) -> None:
    """Of the same execution: put back, and lost with its worker."""
    job = vics(cast, max_attempts=3)
    works.dispatch()
    works.claim()
    watch.moved()
    assert watch.moved(works.put_back) == {"alice", "vic"}
    assert watch.of("vic")["waiting"] == 0  # not for an hour
    with all_tenants_scope():
        Execution.objects.filter(job_id=job.pk).update(run_at=now() - HOUR, rank=1)
    works.claim(lease_seconds=0.0)
    watch.moved()
    assert watch.moved(works.reap) == {"alice", "vic"}


def test_failures_and_what_is_done_about_them(works: Machine, watch: Watch, cast: Any) -> None:
    job, seen = vics(cast, cool_off_after=1), {"alice", "vic"}
    works.dispatch()
    works.claim()
    watch.moved()
    assert watch.moved(lambda: works.end("failed")) == seen
    assert watch.of("vic")["attention"] == 0
    assert watch.moved(works.tell) == seen
    assert [watch.of(name)["attention"] for name in ("alice", "vic", "bob", "charlie")] == [1, 1, 0, 0]
    assert watch.moved(lambda: set_on(job, cool_off_until=now() - HOUR)) == seen  # it is over
    assert watch.of("vic")["attention"] == 0
    assert watch.moved(lambda: set_on(job, cool_off_until=now() + HOUR)) == seen
    now_ = lambda: runs.job_run_now(tenant=cast.tenant, job_id=job.pk, actor="tests")  # noqa: E731
    assert watch.moved(now_) == seen
    assert watch.moved(lambda: set_on(job, consecutive_failures=7)) == seen


def test_a_schedule_that_breaks(works: Machine, watch: Watch, cast: Any) -> None:
    vics(cast, trigger_type="cron", cron_expression="* * * * *", timezone="Europe/Atlantis")
    watch.moved()
    assert watch.moved(works.dispatch) == {"alice", "vic"}
    assert only(Cursor).quarantined_at is not None
    assert watch.of("vic")["attention"] == 1


def test_a_time_that_is_skipped(works: Machine, watch: Watch, cast: Any) -> None:
    job = vics(cast, overlap="skip")
    works.dispatch()
    set_on(job, next_run_at=now() - timedelta(milliseconds=500))
    watch.moved()
    assert watch.moved(works.dispatch) == {"alice", "vic"}
    assert only(Execution).job_id == job.pk


def test_what_people_do_with_jobs(watch: Watch, cast: Any) -> None:
    tenant, mine, seen = cast.tenant, {"actor": "tests", "tenant": cast.tenant}, {"alice", "vic"}
    assert watch.moved(lambda: make_job(tenant, user_id=cast.vic.user_id)) == seen
    job = only(Job)
    for deed in (
        lambda: services.job_update(job_id=job.pk, changes={"name": "renamed"}, **mine),
        lambda: services.job_pause(job_id=job.pk, **mine),
        lambda: services.job_pause(job_id=job.pk, reason="another", **mine),
        lambda: services.job_resume(job_id=job.pk, **mine),
        lambda: services.job_trigger(job_id=job.pk, **mine),
        lambda: runs.run_cancel(execution=Execution.objects.get(), by="tests", **mine),
    ):
        assert watch.moved(deed) == seen
    give = {"changes": {"user_id": cast.bob.user_id}, "job_id": job.pk}
    assert watch.moved(lambda: services.job_update(**give, **mine)) == {"alice", "vic", "bob"}
    assert watch.moved(lambda: services.job_delete(job_id=job.pk, **mine)) == {"alice", "bob"}


def test_what_commits_late_has_an_earlier_time(watch: Watch, cast: Any) -> None:
    first, second = (make_job(cast.tenant, user_id=cast.vic.user_id) for _ in range(2))
    watch.moved()
    late = Job.objects.filter(pk=first.pk)
    with all_tenants_scope():
        at = Job.objects.get(pk=second.pk).updated_at - timedelta(seconds=1)
    assert watch.moved(lambda: late.update(version=F("version") + 1, updated_at=at)) == {"alice", "vic"}


def test_of_a_user_who_is_known_by_a_number(watch: Watch, cast: Any) -> None:
    """Rows from before the mapping of user ids have the integer alone."""
    with all_tenants_scope():
        cast.vic.user_id = "4711"
        cast.vic.save()
    watch.moved()
    records = Records(cast.vic)
    old = records.old_job(user_id=None, legacy_user_id=4711)
    assert watch.moved() == {"alice", "vic"}
    row = Records(cast.vic).live_row(old, now())
    row.user_id, row.legacy_user_id = None, 4711
    assert watch.moved(lambda: row.save(force_insert=True)) == {"alice", "vic"}
    assert watch.of("vic")["running"] == 1
    set_on(old, consecutive_failures=3)
    assert watch.moved() == {"alice", "vic"}
    assert watch.moved(lambda: Job.objects.filter(pk=old.pk).update(version=9)) == {"alice", "vic"}


def test_lines_of_the_journal(watch: Watch, cast: Any, other_cast: Any) -> None:
    """The tenant's own are for those who see the tenant, and may be of an earlier time than the last."""
    records = Records(cast.alice)
    assert watch.moved(lambda: records.event("check_cycle", now())) == {"alice"}
    assert watch.moved(lambda: records.event("interval_adjustment", now() - HOUR)) == {"alice"}
    assert watch.moved(lambda: Records(other_cast.alice).event("check_cycle", now())) == {"charlie"}


def test_numbers_are_counted_to_a_bound(works: Machine, watch: Watch, cast: Any) -> None:
    with all_tenants_scope():
        columns = {
            "tenant": cast.tenant,
            "user_id": cast.vic.user_id,
            "trigger_type": "manual",
            "target": "t",
        }
        jobs = Job.objects.bulk_create(Job(name="job", task_type="t", **columns) for _ in range(105))
        Cursor.objects.bulk_create(
            Cursor(job=job, tenant=cast.tenant, consecutive_failures=3) for job in jobs
        )
        records, at = Records(cast.vic), now() - HOUR
        Execution.objects.bulk_create(
            records.live_row(jobs[0], at - timedelta(seconds=n), leased=False) for n in range(1005)
        )
    for name, numbers in {"alice": (1000, 100), "vic": (1000, 100), "bob": (0, 0)}.items():
        pulse = watch.of(name)
        assert (pulse["waiting"], pulse["attention"]) == numbers, name
    with all_tenants_scope():
        Job.objects.filter(pk__gte=jobs[9].pk).update(deleted_at=now())
        Job.objects.filter(pk=jobs[0].pk).update(
            switch="paused", pause_reason="Its endpoint answered 410 Gone."
        )
        Cursor.objects.filter(job__in=jobs[:2]).update(consecutive_failures=1)
    assert [watch.of(name)["attention"] for name in ("alice", "vic", "bob")] == [8, 8, 0]


CROWD = """
WITH job AS (
    INSERT INTO jobs_job (tenant_id, name, user_id, trigger_type, target, task_type, updated_at)
    SELECT tenant, 'job ' || n, CASE n %% 100 WHEN 0 THEN %(vic)s ELSE 'user-' || n %% 7 END, 'manual', 't', 't',
        now() - n * interval '1 second'
    FROM unnest(%(tenants)s::bigint[]) AS tenant, generate_series(1, 10000) AS n
    RETURNING id, tenant_id, user_id
), cursors AS (
    INSERT INTO jobs_cursor (job_id, tenant_id, consecutive_failures)
    SELECT id, tenant_id, CASE WHEN id %% 200 = 0 THEN 3 ELSE 0 END FROM job
), skips AS (
    INSERT INTO executions_skip (tenant_id, job_id, first, last, count, reason)
    SELECT tenant_id, id, now(), now(), 1, 'overlap' FROM job
), events AS (
    INSERT INTO leadership_schedulerevent (tenant_id, event_type) SELECT tenant_id, 'job_completed' FROM job
)
INSERT INTO executions_execution (
    tenant_id, job_id, job_name, user_id, kind, scheduled_for, run_at, task_type, target, content_version,
    timeout_seconds, max_attempts, retry_delay_seconds, retry_max_delay_seconds, rank
)
SELECT tenant_id, id, 'job', user_id, 'scheduled', now(), now(), 't', 't', 1, 60, 1, 1, 1, id FROM job
"""
BIG = ("jobs_job", "jobs_cursor", "executions_execution", "executions_skip", "leadership_schedulerevent")


def rows_read(plan: dict[str, Any]) -> int:
    """Of the large tables, by what the plan did: returned and thrown away."""
    own = 0
    if plan.get("Relation Name") in BIG:
        removed = plan.get("Rows Removed by Filter", 0) + plan.get("Rows Removed by Index Recheck", 0)
        own = (plan["Actual Rows"] + removed) * plan["Actual Loops"]
    return own + sum(rows_read(child) for child in plan.get("Plans", []))


def test_what_it_reads_does_not_grow_with_the_tenant(
    works: Machine, watch: Watch, cast: Any, other_cast: Any
) -> None:
    """10,000 jobs, each waiting, in two tenants. Not the clock is asked but how many rows were looked at."""
    tenants = [cast.tenant.pk, other_cast.tenant.pk]
    with all_tenants_scope(), connection.cursor() as cursor:
        cursor.execute(CROWD, {"tenants": tenants, "vic": cast.vic.user_id})
        cursor.execute(f"ANALYZE {', '.join(BIG)}")
    asked: list[str] = []

    def explained(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        if sql.lstrip().startswith(("WITH", "-- What moves")) or "schedulerevent" in sql:
            with context["connection"].connection.cursor() as own:
                own.execute(f"EXPLAIN (ANALYZE, FORMAT json) {sql}", params)
                asked.append(sql)
                looked.append(rows_read(own.fetchone()[0][0]["Plan"]))
        return execute(sql, params, many, context)

    for name, statements, most in (("alice", 3, 1_000 + 50 + 50 + 50 + 4 * 50), ("vic", 2, 21_000)):
        asked, looked = [], []
        with connection.execute_wrapper(explained):
            pulse = watch.of(name)
        assert len(looked) == statements, asked
        assert sum(looked) <= most, looked
        assert pulse["waiting"] == (1000 if name == "alice" else 100)
