"""The life of executions, in any order of events, on a real Postgres: what the model says is what the tables hold.

Workers claim, renew, finish, fail, hand back and come late; leases run out; the leader dispatches, reaps and folds;
people trigger, retry, backfill and cancel. Each goes through the product's own functions, and after each step the
queue, the ledger, the attempts, the skips, the counters and the totals are compared with `tests/executions_model.py`.
PROPERTY_ROUNDS in `tests/properties.py` looks longer.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from apps.executions import queue
from apps.executions.cancellation import cancel_waiting
from apps.executions.counters import CounterFold
from apps.executions.models import Execution
from apps.executions.queue import Completed, Failed, Finished, NewExecution, Released
from apps.executions.reaper import Reaper
from apps.executions.services import executions_backfill
from apps.executions.states import SkipReason
from apps.executions.targets.context import TargetResult
from apps.executions.ticks import ticks_taken
from apps.executions.verdict import delay_before_retry, end, failed_attempt
from apps.jobs.dispatch import Dispatcher
from apps.jobs.models import Cursor, Job
from apps.jobs.retries import NO_EXECUTION, NOT_FINISHED, runs_retry
from apps.jobs.runs import AlreadyFinished, job_run_now, run_cancel
from apps.tenants.context import tenant_scope
from apps.tenants.models import Plan
from tests.dispatching import settle
from tests.executions_model import Lease, Model, Run
from tests.executions_world import (
    WORKERS,
    World,
    caps_hold,
    counts_hold,
    ledger_holds,
    pages_show,
    queue_holds,
    skips_and_notes_hold,
    world_of,
)
from tests.properties import looking

# Ticks of a job are this far apart, so that an hour's counters hold some of them.
APART = timedelta(minutes=17)
RESULTS = {
    "success": TargetResult("ok", result={"n": 1}),
    "failed": TargetResult("failed", error="no luck"),
    "timeout": TargetResult("failed", error="too slow", timed_out=True),
    "permanent": TargetResult("failed", error="never", permanent=True),
}


@pytest.fixture
def world(all_tenants: None, acme: Any, bravo: Any, plan: Plan) -> Iterator[World]:
    with world_of(acme, bravo, plan) as world:
        yield world


numbers = st.integers(0, 3)  # of jobs, and of small things


class Executions(RuleBasedStateMachine):
    world: World  # of the test, put in by it

    def __init__(self) -> None:
        super().__init__()
        self.world.empty()
        self.model = Model()
        self.dispatcher = Dispatcher()
        self.next_tick = [0] * len(self.world.jobs)
        self.dispatched: list[list[datetime]] = [[] for _ in self.world.jobs]
        self.may_be_set_back = self.set_back = False

    # -- into the queue -------------------------------------------------------------------------------------------

    @initialize(may_be_set_back=st.booleans(), limit=st.integers(0, 6))
    def work_is_under_way(self, may_be_set_back: bool, limit: int) -> None:
        """Where cursors are set back, totals of what was found tell less."""
        self.may_be_set_back = may_be_set_back
        self.time_comes(chosen=set(range(len(self.world.jobs))), times=2)
        self._claim(WORKERS[0], limit)

    @rule(chosen=st.sets(numbers, min_size=1), times=st.integers(1, 3))
    def time_comes(self, chosen: set[int], times: int) -> None:
        """The next ticks of some jobs are due, one after the other."""
        for _ in range(times):
            ticks = {}
            for number in sorted(chosen):
                ticks[number] = self.world.base + APART * self.next_tick[number]
                self.next_tick[number] += 1
                self.dispatched[number].append(ticks[number])
            self._dispatch(ticks)

    @precondition(lambda self: self.may_be_set_back and any(self.dispatched))
    @rule(data=st.data())
    def cursor_is_set_back(self, data: st.DataObject) -> None:
        """Past every service: a time that had its outcome is due again. It may run again; it does not end twice."""
        number = data.draw(st.sampled_from([n for n, ticks in enumerate(self.dispatched) if ticks]))
        self.set_back = True
        ticks, job = self.dispatched[number], self.world.jobs[number]
        ended = [tick for tick in ticks if tick in self.model.ticks_taken(job.pk)]
        self._dispatch({number: data.draw(st.sampled_from(ended or ticks))})

    def _dispatch(self, ticks: dict[int, datetime]) -> None:
        runs, made = [], []
        for number, tick in ticks.items():
            job = self.world.jobs[number]
            Job.objects.filter(pk=job.pk).update(anchor_at=tick)
            Cursor.objects.filter(pk=job.pk).update(next_run_at=tick, last_scheduled_for=None)
            cap = 1 if job.overlap == "queue" else job.max_concurrency
            run = self._run(
                job, "scheduled", tick, priority=job.priority, max_concurrency=cap, fired=True, run_at=tick
            )
            if job.overlap == "skip" and self.model.is_in_the_way(job.pk):
                self.model.skips.setdefault((job.pk, tick), "overlap")
                continue
            if job.overlap == "replace":
                self.model.make_way(job.pk)
            runs.append(run)
        live = {run.key for run in self.model.live()}
        made = self.model.enqueue([run for run in runs if run.key not in live])
        settle(self.dispatcher, self.world.leader)
        self._adopt(made)

    @rule(
        batch=st.lists(
            st.tuples(
                numbers,
                st.integers(0, 5),
                st.booleans(),
                st.sampled_from([-5, 0, 5]),
                st.sampled_from([None, 1]),
            ),
            min_size=1,
            max_size=4,
            unique_by=lambda one: one[:2],
        )
    )
    def several_are_enqueued(self, batch: list[tuple[int, int, bool, int, int | None]]) -> None:
        """In one statement, of several tenants and priorities; what is live already is not made again."""
        runs = []
        for number, minute, due, priority, cap in batch:
            at = self.world.base + timedelta(minutes=minute)
            runs.append(
                self._run(
                    self.world.jobs[number],
                    "manual",
                    at,
                    run_at=at if due else at + timedelta(days=9),
                    due=due,
                    priority=priority,
                    max_concurrency=cap,
                    max_attempts=3,
                )
            )
        made = self.model.enqueue(runs)
        with self.world.session.cursor() as cursor:
            ids = queue.enqueue(cursor, [self._new(run) for run in runs])
        assert len(ids) == len(made)
        self._adopt(made)

    @rule(number=numbers)
    def somebody_triggers(self, number: int) -> None:
        job = self.world.jobs[number]
        run = self._run(job, "manual", self.world.base, priority=job.priority)
        self.model.rank([run])
        self._adopt([run], job_run_now(tenant=job.tenant, job_id=job.pk, actor="tests"))

    @precondition(lambda self: self.model.runs)
    @rule(data=st.data())
    def somebody_retries(self, data: st.DataObject) -> None:
        old = data.draw(st.sampled_from(list(self.model.runs.values())))
        job = self._job(old)
        done = runs_retry(tenant=job.tenant, execution_ids=[old.id], owner=None, actor="tests")
        if old.state == "ended":
            run = self._run(job, "retry", old.scheduled_for, priority=job.priority, retry_of=old.id)
            self.model.rank([run])
            self._adopt([run], done.made[old.id])
        else:
            assert done.refused == {old.id: NOT_FINISHED if old.is_live else NO_EXECUTION}

    @rule(number=numbers, minutes=st.lists(st.integers(0, 4), min_size=1, max_size=3, unique=True))
    def somebody_backfills(self, number: int, minutes: list[int]) -> None:
        """Times of the schedule that have run, and others."""
        job = self.world.jobs[number]
        times = [self.world.base + APART * minute for minute in sorted(minutes)]
        span = {"tenant_id": job.tenant_id, "job_id": job.pk, "first": times[0], "last": times[-1]}
        with tenant_scope(job.tenant), transaction.atomic():
            taken = ticks_taken(**span, among=times)
            assert taken == self.model.ticks_taken(job.pk) & set(times)
            free = [time for time in times if time not in taken]
            runs = [
                self._run(job, "backfill", time, run_at=self.world.base, priority=job.priority - 201)
                for time in free
            ]
            made = self.model.enqueue(runs)
            executions_backfill(job=job, times=free, start=self.world.base, pace=timedelta(0))
        assert len(made) == len(free)
        self._adopt(made)

    # -- the queue ------------------------------------------------------------------------------------------------

    @precondition(lambda self: any(not run.due for run in self.model.pending()))
    @rule(data=st.data())
    def its_time_comes(self, data: st.DataObject) -> None:
        run = data.draw(st.sampled_from([run for run in self.model.pending() if not run.due]))
        ((run.run_at,),) = self.world.session.execute(
            "UPDATE executions_execution SET run_at = clock_timestamp() - interval '1 ms' WHERE id = %s"
            " RETURNING run_at",
            [run.id],
        )
        run.due = True

    @rule()
    def what_is_due_is_ranked(self) -> None:
        due = self.model.unranked()
        self.model.rank(due)
        with self.world.session.cursor() as cursor:
            assert queue.rank_due(limit=1000).on(cursor) == len(due)

    @rule(worker=st.sampled_from(WORKERS), limit=st.integers(1, 5))
    def worker_claims(self, worker: str, limit: int) -> None:
        self._claim(worker, limit)

    @rule(worker=st.sampled_from(WORKERS), limit=st.integers(1, 8), name=st.sampled_from(sorted(RESULTS)))
    def worker_does_its_work(self, worker: str, limit: int, name: str) -> None:
        if taken := self._claim(worker, limit):
            self._answer([(lease, name) for lease in taken])

    @rule(worker=st.sampled_from(WORKERS), limit=st.integers(1, 3), begun=st.booleans())
    def worker_is_stopped(self, worker: str, limit: int, begun: bool) -> None:
        if taken := self._claim(worker, limit):
            self._hand_back(taken, begun)

    @rule(worker=st.sampled_from(WORKERS), limit=st.integers(1, 3), times=st.integers(1, 3))
    def worker_dies(self, worker: str, limit: int, times: int) -> None:
        """Again and again, mostly of the same: what comes back keeps its place."""
        for _ in range(times):
            self._run_out(self._claim(worker, limit))
            self._reap()

    def _claim(self, worker: str, limit: int) -> list[Lease]:
        expected = self.model.next_ones(limit)
        with self.world.workers[worker].cursor() as cursor:
            taken = queue.claim(worker=worker, limit=limit, lease_seconds=3600).on(cursor)
        assert [row.id for row in taken] == [run.id for run in expected]
        for row, run in zip(taken, expected, strict=True):
            assert row.token not in {lease.claimed.token for lease in self.model.leases}
            self.model.lease(run, row, worker)
            assert (row.attempt, row.lost, row.released, row.scheduled_for) == (
                run.attempt,
                run.lost,
                run.released,
                run.scheduled_for,
            )
        caps_hold(self.model, expected)
        return self.model.leases[len(self.model.leases) - len(taken) :]

    @rule(most=st.integers(0, 3))
    def plan_changes(self, most: int) -> None:
        self.model.cap = most
        self.world.cap(most)

    # -- under a lease, or what was one ---------------------------------------------------------------------------

    @precondition(lambda self: self.model.leases)
    @rule(data=st.data())
    def worker_renews(self, data: st.DataObject) -> None:
        self._renew(self._leases(data))

    def _renew(self, leases: Sequence[Lease]) -> None:
        with self._cursor(leases) as cursor:
            ours = queue.renew([held(lease) for lease in leases], lease_seconds=3600).on(cursor)
        assert ours == {lease.claimed.token for lease in leases if lease.is_good}
        for lease in leases:
            lease.expired = lease.expired and not lease.is_good

    @precondition(lambda self: self.model.leases)
    @rule(data=st.data())
    def targets_answer(self, data: st.DataObject) -> None:
        leases = self._leases(data)
        self._answer([(lease, data.draw(st.sampled_from(sorted(RESULTS)))) for lease in leases])

    def _answer(self, answers: Sequence[tuple[Lease, str]]) -> None:
        """As the worker's verdict and flusher do."""
        finished: list[Finished] = []
        failed: list[Failed] = []
        said: dict[str, Counter[str]] = {"complete": Counter(), "retry": Counter()}
        for lease, name in answers:
            row, result = lease.claimed, RESULTS[name]
            begun = {
                "started": row.leased_at,
                "finished": row.leased_at,
            }  # not later than now, as a worker's are
            delay = delay_before_retry(row, result, spread=1.0)
            again = name in ("failed", "timeout") and lease.run.failures + 1 < lease.run.max_attempts
            assert again == (delay is not None) or not lease.is_good
            outcome = "failed" if name == "permanent" else name
            if delay is None:
                finished.append(end(row, result, **begun))
                said["complete"][self.model.settle(lease, outcome, again=False)] += 1
            else:
                failed.append(failed_attempt(row, result, **begun, delay=delay))
                verdict = self.model.settle(lease, outcome, again=True)
                said["retry"][verdict] += 1
                if verdict == "again":
                    lease.run.due = delay == 0
        with self._cursor([lease for lease, _ in answers]) as cursor:
            done = queue.complete(finished).on(cursor)
            moved = queue.retry(failed, worker=answers[0][0].worker).on(cursor)
        counts = said["complete"]
        assert done == Completed(counts["ended"], counts["stale"], counts["repeated"])
        assert moved == (said["retry"]["again"], said["retry"]["stale"])
        for row in failed:  # the database's clock says when
            run = self.model.runs[row["id"]]
            at = "SELECT run_at FROM executions_execution WHERE id = %s"
            for (run_at,) in self.world.session.execute(at, [run.id]):
                run.run_at = run_at

    @precondition(lambda self: self.model.leases)
    @rule(data=st.data(), begun=st.booleans())
    def worker_hands_back(self, data: st.DataObject, begun: bool) -> None:
        self._hand_back(self._leases(data), begun)

    def _hand_back(self, leases: Sequence[Lease], begun: bool) -> None:
        batch: list[Released] = []
        for lease in leases:
            at = lease.claimed.leased_at
            batch.append({**held(lease), "started": at, "finished": at} if begun else held(lease))
        moved = [self.model.release(lease, begun=begun) for lease in leases]
        with self._cursor(leases) as cursor:
            assert queue.release(batch, worker=leases[0].worker).on(cursor) == (
                sum(moved),
                len(moved) - sum(moved),
            )

    @precondition(lambda self: len(self.model.good()) > 1)
    @rule(data=st.data())
    def tokens_are_mixed_up(self, data: st.DataObject) -> None:
        """The token of another row of the same batch proves nothing."""
        one, other = data.draw(st.permutations(self.model.good()))[:2]
        a, b = (
            one.claimed._replace(token=other.claimed.token),
            other.claimed._replace(token=one.claimed.token),
        )
        mixed: list[Released] = [{"id": row.id, "token": row.token} for row in (a, b)]
        fails = [failed_attempt(row, RESULTS["failed"], started=1.0, finished=2.0, delay=0) for row in (a, b)]
        ends = [end(row, RESULTS["success"], started=1.0, finished=2.0) for row in (a, b)]
        with self._cursor([one]) as cursor:
            assert queue.renew(mixed, lease_seconds=3600).on(cursor) == set()
            assert queue.complete(ends).on(cursor) == (0, 2, 0)
            assert queue.retry(fails, worker=one.worker).on(cursor) == (0, 2)
            assert queue.release(mixed, worker=one.worker).on(cursor) == (0, 2)

    @precondition(lambda self: self.model.good())
    @rule(data=st.data())
    def leases_run_out(self, data: st.DataObject) -> None:
        good = st.sampled_from(self.model.good())
        self._run_out(data.draw(st.lists(good, min_size=1, max_size=4, unique=True)))

    def _run_out(self, leases: Sequence[Lease]) -> None:
        for lease in leases:
            self.world.session.execute(
                "UPDATE executions_execution SET lease_expires_at = clock_timestamp() - interval '1 s' WHERE id = %s",
                [lease.run.id],
            )
            lease.expired = True

    # -- the leader, and people -----------------------------------------------------------------------------------

    @rule()
    def leader_reaps(self) -> None:
        self._reap()

    def _reap(self, locked: Sequence[Run] = ()) -> None:
        taken, ended = self.model.reap(locked)
        counts = Reaper().run_once(self.world.leader).counts
        assert counts == {"reaped": taken, "lost_for_good": ended}

    @precondition(lambda self: any(lease.expired for lease in self.model.good()))
    @rule(data=st.data(), finishes=st.booleans())
    def leader_reaps_while_a_worker_writes(self, data: st.DataObject, finishes: bool) -> None:
        """A worker that is late has its say if it came before the reaper, committed or not."""
        leases = self._leases(data)
        locked = [lease.run for lease in leases if lease.is_good]
        with self.world.workers[leases[0].worker].transaction():
            if finishes:
                self._answer([(lease, "success") for lease in leases])
            else:
                self._renew(leases)
            self._reap(locked)

    @rule()
    def leader_folds(self) -> None:
        counts = CounterFold().run_once(self.world.leader).counts
        done = self.model.unfolded
        assert (counts["executed"], counts["failed"]) == (done["success"], done["failed"])
        self.model.unfolded = Counter()

    @precondition(lambda self: self.model.runs)
    @rule(data=st.data())
    def somebody_cancels(self, data: st.DataObject) -> None:
        run = data.draw(st.sampled_from(list(self.model.runs.values())))
        tenant = self._job(run).tenant
        row = Execution(pk=run.id, tenant_id=run.tenant_id, job_id=run.job_id)
        cancel: Callable[[], Any] = lambda: run_cancel(  # noqa: E731
            tenant=tenant, execution=row, actor="tests", by="tests"
        )
        if run.is_live:
            worker = run.lease.worker if run.lease else None
            assert cancel() == (run.state, run.attempt, worker)
            self.model.cancel(run)
        else:
            with pytest.raises(AlreadyFinished):
                cancel()

    @rule(number=numbers)
    def what_waits_of_a_job_is_cancelled(self, number: int) -> None:
        job = self.world.jobs[number]
        expected = self.model.cancel_waiting(job.pk, "edited")
        with tenant_scope(job.tenant), transaction.atomic(), connection.cursor() as cursor:
            gone = cancel_waiting(
                cursor, tenant_id=job.tenant_id, job_id=job.pk, reason=SkipReason.EDITED, sentence="Deleted."
            )
        assert gone == expected

    # -- what must be so ------------------------------------------------------------------------------------------

    @invariant()
    def tables_hold_what_the_model_says(self) -> None:
        queue_holds(self.world, self.model)
        ledger_holds(self.world, self.model)
        skips_and_notes_hold(self.world, self.model)
        counts_hold(self.world, found_twice=self.set_back)

    def teardown(self) -> None:
        self.leader_folds()
        counts_hold(self.world, found_twice=self.set_back)
        pages_show(self.world, self.model)

    # -- between the two ------------------------------------------------------------------------------------------

    def _run(self, job: Job, kind: str, scheduled_for: datetime, **fields: Any) -> Run:
        fields = {"run_at": scheduled_for, "due": True, "max_attempts": job.max_attempts, **fields}
        return Run(job.tenant_id, job.pk, kind, scheduled_for, **fields)

    def _new(self, run: Run) -> NewExecution:
        job = self._job(run)
        return NewExecution(
            tenant_id=run.tenant_id,
            job_id=run.job_id,
            job_name=job.name,
            user_id=job.user_id,
            legacy_user_id=job.legacy_user_id,
            kind=run.kind,
            scheduled_for=run.scheduled_for,
            run_at=run.run_at,
            task_type=job.task_type,
            target=job.target,
            content_version=1,
            timeout_seconds=60,
            max_attempts=run.max_attempts,
            retry_delay_seconds=job.retry_delay_seconds,
            retry_max_delay_seconds=job.retry_max_delay_seconds,
            priority=run.priority,
            max_concurrency=run.max_concurrency,
        )

    def _adopt(self, made: Sequence[Run], execution_id: int | None = None) -> None:
        """Take over what only the database knows of new rows; the invariants compare the rest."""
        for run in made:
            if execution_id is None:
                wanted: dict[str, Any] = {
                    "job_id": run.job_id,
                    "scheduled_for": run.scheduled_for,
                    "kind": run.kind,
                    "retry_of": run.retry_of,
                }
                run.id = Execution.objects.get(**wanted).pk
            else:
                row = Execution.objects.get(pk=execution_id)
                run.id, run.scheduled_for, run.run_at = row.pk, row.scheduled_for, row.run_at
                assert (row.kind, row.retry_of, row.priority) == (run.kind, run.retry_of, run.priority)
            self.model.runs[run.id] = run

    def _job(self, run: Run) -> Job:
        return next(job for job in self.world.jobs if job.pk == run.job_id)

    def _leases(self, data: st.DataObject) -> list[Lease]:
        """Good ones and stale ones, in one batch."""
        some = st.sampled_from(self.model.good() or self.model.leases) | st.sampled_from(self.model.leases)
        return data.draw(st.lists(some, min_size=1, max_size=4, unique=True))

    def _cursor(self, leases: Sequence[Lease]) -> Any:
        return self.world.workers[leases[0].worker].cursor()


def held(lease: Lease) -> Released:
    return {"id": lease.claimed.id, "token": lease.claimed.token}


def test_executions_live_as_the_model_says(world: World) -> None:
    machine = type("Executions", (Executions,), {"world": world})
    run_state_machine_as_test(machine, settings=looking(50, slow=True, stateful_step_count=40))
