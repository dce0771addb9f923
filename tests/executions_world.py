"""Where executions live in `tests/test_execution_state_machine.py`: the database, and what is read of it."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from apps.executions.models import ExecutionLog
from apps.executions.queue import PINNED_PLANS
from apps.executions.selectors import execution_attempts, finished_count
from apps.executions.states import Outcome
from apps.jobs.models import Cursor, Job
from apps.leadership.session import LeaderSession
from apps.operations.statements import read_totals
from apps.tenants import machine
from apps.tenants.models import Plan
from tests.dispatching import leading, stand
from tests.executions_model import Model, Run
from tests.workers import Session

WORKERS = ("one", "two", "three")
EMPTIED = (
    "executions_execution", "executions_executionlog", "executions_executionoutput", "executions_attempt",
    "executions_skip", "executions_delta", "executions_counter", "executions_tally", "executions_tenanttotals",
    "executions_outcomenote",
)  # fmt: skip


@dataclass(frozen=True)
class World:
    """What outlives an example: the leader, the workers' sessions, and a job of each policy of overlap."""

    leader: LeaderSession
    session: Session
    workers: dict[str, Session]
    jobs: list[Job]
    plan: Plan
    base: datetime

    def empty(self) -> None:
        for table in EMPTIED:
            self.session.execute(f"DELETE FROM {table}")
        Cursor.objects.update(next_run_at=None, last_scheduled_for=None)
        self.cap(0)

    def cap(self, most: int) -> None:
        Plan.objects.filter(pk=self.plan.pk).update(max_concurrency=most)


@contextmanager
def world_of(acme: Any, bravo: Any, plan: Plan) -> Iterator[World]:
    """With jobs of both tenants; needs the view of all of them."""
    base = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=1)
    late: dict[str, Any] = {"misfire_grace_seconds": 10**8, "interval_seconds": 10**8, "max_attempts": 2}
    jobs = [
        stand(acme, base, overlap="allow", max_concurrency=2, user_id="u-1", retry_delay_seconds=0, **late),
        stand(acme, base, overlap="skip", priority=5, legacy_user_id=7, **late),
        stand(bravo, base, overlap="replace", user_id="u-2", retry_delay_seconds=0, **late),
        stand(bravo, base, overlap="queue", priority=-5, **late),
    ]
    with ExitStack() as stack:
        leader, _ = stack.enter_context(leading())
        session, *workers = (
            stack.enter_context(machine.connect(application_name="tests", session_settings=PINNED_PLANS))
            for _ in range(1 + len(WORKERS))
        )
        world = World(leader, session, dict(zip(WORKERS, workers, strict=True)), jobs, plan, base)
        try:
            yield world
        finally:
            world.cap(0)


def queue_holds(world: World, model: Model) -> None:
    found = world.session.execute(
        "SELECT id, state, attempt, lost, released, lease_token::text, worker, rank, run_at"
        " FROM executions_execution ORDER BY id"
    ).fetchall()
    expected = []
    for run in sorted(model.live(), key=lambda run: run.id):
        token, worker = (run.lease.claimed.token, run.lease.worker) if run.lease else (None, None)
        expected.append(
            (
                run.id,
                run.state,
                run.attempt,
                run.lost,
                run.released,
                token,
                worker,
                run.rank,
                run.run_at,
            )
        )
    assert found == expected


def ledger_holds(world: World, model: Model) -> None:
    logs = world.session.execute(
        "SELECT id, status, attempts, outcome, lease_token, job_id, scheduled_for, kind"
        " FROM executions_executionlog"
    ).fetchall()
    tries: dict[int, list[tuple[int, str]]] = defaultdict(list)
    for id_, number, outcome in world.session.execute(
        "SELECT execution_id, attempt, outcome FROM executions_attempt"
    ):
        tries[id_].append((number, outcome))
    for id_, _, number, outcome, token, *_ in logs:
        if token is not None:
            tries[id_].append((number, outcome))
    assert {log[:3] for log in logs} == {(run.id, run.status, run.attempt) for run in model.ledger()}
    assert {id_: sorted(of) for id_, of in tries.items()} == {
        run.id: run.tries for run in model.runs.values() if run.tries
    }
    # Of an execution: each of its attempts once, and none left out but one under way.
    for run in model.runs.values():
        under_way = run.lease is not None
        assert [number for number, _ in run.tries] == list(range(1, run.attempt + 1 - under_way))
        assert run.failures <= run.max_attempts
    # I2: a tick ends once. I3: what was made is in one place.
    ticks = Counter((job_id, at, kind) for *_, job_id, at, kind in logs if kind in ("scheduled", "backfill"))
    assert max(ticks.values(), default=1) == 1
    live = {run.id for run in model.live()}
    elsewhere = {run.id for run in model.runs.values() if run.state in ("skipped", "repeated")}
    assert not live & {log[0] for log in logs}
    assert live | elsewhere | {log[0] for log in logs} == set(model.runs)


def skips_and_notes_hold(world: World, model: Model) -> None:
    skips = world.session.execute("SELECT job_id, first, last, count, reason FROM executions_skip")
    assert sorted(skips) == sorted((job, at, at, 1, why) for (job, at), why in model.skips.items())
    notes = Counter[tuple[int, str]]()
    for job_id, successes, failures in world.session.execute(
        "SELECT job_id, successes, failures FROM executions_outcomenote"
    ):
        notes += Counter({(job_id, "success"): successes, (job_id, "failed"): failures})
    assert notes == model.notes


def counts_hold(world: World, *, found_twice: bool) -> None:
    cells = "tenant_id, user_key, task_type, status, hour"
    counted = world.session.execute(
        f"SELECT {cells}, sum(n)::bigint, sum(fired)::bigint FROM ("
        f" SELECT {cells}, n, fired FROM executions_delta UNION ALL"
        f" SELECT {cells}, n, fired FROM executions_counter) AS counted GROUP BY {cells}"
    ).fetchall()
    history = world.session.execute(
        "SELECT tenant_id, coalesce(user_id, legacy_user_id::text, ''), task_type, status,"
        " date_trunc('hour', scheduled_for, 'UTC'), count(*),"
        " count(*) FILTER (WHERE kind = 'scheduled' AND epoch IS NOT NULL)"
        " FROM executions_executionlog GROUP BY 1, 2, 3, 4, 5"
    ).fetchall()
    assert sorted(counted) == sorted(history)
    for tenant in {job.tenant for job in world.jobs}:
        totals, wanted = read_totals(tenant.pk)
        if found_twice:  # what was found twice is so counted
            for name in ("tasks_found", "tasks_skipped"):
                totals.pop(name), wanted.pop(name)
        assert totals == wanted


def pages_show(world: World, model: Model) -> None:
    """What pages show is the same."""
    for run in model.ledger():
        log = ExecutionLog.objects.get(pk=run.id)
        shown = [(tried.attempt, tried.outcome) for tried in execution_attempts(execution=log)]
        assert shown == run.tries
    for tenant in {job.tenant for job in world.jobs}:
        for status in Outcome.values:
            expected = [run for run in model.ledger() if (run.tenant_id, run.status) == (tenant.pk, status)]
            assert finished_count(tenant_id=tenant.pk, status=status) == len(expected)


def caps_hold(model: Model, taken: Sequence[Run]) -> None:
    """A claim leaves nobody beyond their cap; a cap that was lowered below what runs is another matter."""
    leased = [run for run in model.live() if run.lease is not None]
    of_tenant = Counter(run.tenant_id for run in leased)
    of_job = Counter(run.job_id for run in leased)
    for run in taken:
        assert not model.cap or of_tenant[run.tenant_id] <= model.cap
        if run.max_concurrency is not None and all(
            other.max_concurrency is not None for other in leased if other.job_id == run.job_id
        ):
            caps = {other.max_concurrency for other in leased if other.job_id == run.job_id}
            assert of_job[run.job_id] <= max(cap for cap in caps if cap is not None)
