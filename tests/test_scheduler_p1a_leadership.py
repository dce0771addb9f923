"""Never two leaders, and soon another one: with real sessions, processes and signals.

Each test's evidence is the trail that replicas leave by committing (see `tests.replicas`), and the terms.
"""

from __future__ import annotations

import itertools
import logging
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from django.core.management import call_command
from django.test import Client

from apps.leadership import statements
from apps.leadership.election import Candidate
from apps.leadership.fitness import UnfitServer
from apps.leadership.journal import event_insert
from apps.leadership.locks import CLASS, Lock
from apps.leadership.loop import Replica, check_once
from apps.leadership.models import LeaderTerm, RefusedWrite
from apps.leadership.selectors import current_term, leadership_status
from apps.leadership.session import LeaderElsewhere, LeaderSession, TermLost, connect
from apps.leadership.steps import StepResult
from apps.leadership.timings import Timings
from apps.leadership.wakeup import Wakeup
from apps.tenants import machine
from tests.admin_rows import page
from tests.metrics import scraped
from tests.replicas import ReplicaProcess, replicas, running_command, wait_for

Start = Callable[..., ReplicaProcess]

_HOLDERS = """
SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND classid = %s AND objid = %s AND objsubid = 2 AND granted
AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""


class Observer:
    """A session of the test's own, seeing everything."""

    def __init__(self) -> None:
        self.connection = machine.connect(application_name="observer")

    def rows(self, sql: Any, params: Any = None) -> list[tuple[Any, ...]]:
        return self.connection.execute(sql, params).fetchall()

    def open_terms(self) -> list[tuple[int, str, int]]:
        """(epoch, replica, backend pid)"""
        return self.rows(
            "SELECT epoch, replica, backend_pid FROM leadership_leaderterm WHERE ended_at IS NULL"
        )

    def leader(self, *, other_than: str = "") -> tuple[int, str, int] | None:
        """The open term whose holder has committed in it."""
        for epoch, replica, pid in self.open_terms():
            if replica != other_than and self.ticks(epoch) > 0:
                return epoch, replica, pid
        return None

    def holders(self) -> list[int]:
        return [pid for (pid,) in self.rows(_HOLDERS, [CLASS, int(Lock.LEADER)])]

    def waiting_for(self, session: psycopg.Connection[Any]) -> list[int]:
        """Who waits for a lock of that session's."""
        sql = "SELECT pid FROM pg_stat_activity WHERE %s = ANY (pg_blocking_pids(pid))"
        return [pid for (pid,) in self.rows(sql, [session.info.backend_pid])]

    def ticks(self, epoch: int) -> int:
        sql = (
            "SELECT count(*) FROM leadership_schedulerevent WHERE event_type = 'job_scheduled' AND epoch = %s"
        )
        return int(self.rows(sql, [epoch])[0][0])

    def sessions_of(self, replica: str) -> list[int]:
        sql = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND application_name = %s"
        return [pid for (pid,) in self.rows(sql, [f"scheduler leader {replica}"])]

    def polls(self, replica: str) -> bool:
        """Whether it has come as far as asking for the lock: its session has all its settings then."""
        sql = (
            "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND application_name = %s"
            " AND query LIKE %s"
        )
        return bool(self.rows(sql, [f"scheduler leader {replica}", "%pg_try_advisory_lock%"]))

    def end_reason(self, epoch: int) -> str | None:
        sql = "SELECT end_reason FROM leadership_leaderterm WHERE epoch = %s AND ended_at IS NOT NULL"
        rows = self.rows(sql, [epoch])
        return str(rows[0][0]) if rows else None

    def assert_terms_in_order(self) -> None:
        """Terms do not overlap, and every commit lies within the term whose epoch it carries (I1)."""
        terms = self.rows(
            "SELECT epoch, started_at, ended_at, replica FROM leadership_leaderterm ORDER BY epoch"
        )
        for (_, _, ended, _), (_, started, _, _) in itertools.pairwise(terms):
            assert ended is not None
            assert ended <= started
        for epoch, started, ended, replica in terms:
            outside = self.rows(
                "SELECT id, event_date, job_type FROM leadership_schedulerevent WHERE epoch = %(epoch)s"
                " AND event_type = 'job_scheduled' AND (job_type <> %(replica)s OR event_date < %(started)s"
                " OR event_date > coalesce(%(ended)s, 'infinity'::timestamptz))",
                {"epoch": epoch, "replica": replica, "started": started, "ended": ended},
            )
            assert outside == []
        assert len(self.holders()) <= 1


@pytest.fixture
def observer(live_db: str) -> Iterator[Observer]:
    observer = Observer()
    yield observer
    observer.connection.close()


@pytest.fixture
def start(live_db: str, tmp_path: Path) -> Iterator[Start]:
    with replicas(live_db, tmp_path) as starter:
        yield starter


def two_replicas(
    start: Start, observer: Observer, **options: Any
) -> tuple[ReplicaProcess, ReplicaProcess, int]:
    """(leader, standby, epoch), the standby in possession of a session."""
    leader = start("a", **options)
    epoch, _, _ = wait_for(observer.leader, "a leads")
    standby = start("b", **{**options, "behaviour": ""})
    wait_for(lambda: observer.polls("b"), "b stands by")
    return leader, standby, epoch


def test_two_replicas_have_one_leader(start: Start, observer: Observer) -> None:
    replica_a, replica_b = start("a"), start("b")
    epoch, name, pid = wait_for(observer.leader, "one leads")
    other = "b" if name == "a" else "a"
    wait_for(lambda: observer.sessions_of(other), "the other stands by")
    before = observer.ticks(epoch)
    wait_for(lambda: observer.ticks(epoch) > before + 50, "it goes on leading beside a standby")
    assert observer.holders() == [pid]
    assert [term[1] for term in observer.open_terms()] == [name]
    assert replica_a.process.poll() is None
    assert replica_b.process.poll() is None
    observer.assert_terms_in_order()


def test_a_killed_leader_is_replaced_at_once(start: Start, observer: Observer) -> None:
    taken: list[float] = []
    leader = start("r0")
    wait_for(observer.leader, "the first leads")
    for number in range(1, 4):
        standby = start(f"r{number}")
        wait_for(lambda name=standby.name: observer.sessions_of(name), "a standby")
        killed_at = time.monotonic()
        leader.kill(signal.SIGKILL)
        wait_for(lambda name=leader.name: observer.leader(other_than=name), "the next leads")
        taken.append(time.monotonic() - killed_at)
        leader = standby
    print("takeover after SIGKILL: " + ", ".join(f"{seconds * 1000:.0f} ms" for seconds in taken))
    assert max(taken) < 3
    assert [
        row[0] for row in observer.rows("SELECT end_reason FROM leadership_leaderterm ORDER BY epoch")
    ] == [
        "superseded",
        "superseded",
        "superseded",
        "",
    ]
    observer.assert_terms_in_order()


def assert_resumed_leader_stands_by(
    observer: Observer, stopped: ReplicaProcess, successor: ReplicaProcess, old_epoch: int
) -> None:
    """After SIGCONT: nothing committed under the old epoch, a standby that works, no second leader."""
    at_takeover = observer.ticks(old_epoch)
    (new_epoch, _, _) = wait_for(lambda: observer.leader(other_than=stopped.name), "the successor leads")
    stopped.kill(signal.SIGCONT)
    wait_for(lambda: observer.sessions_of(stopped.name), "the resumed replica stands by")
    ticks = observer.ticks(new_epoch)
    wait_for(lambda: observer.ticks(new_epoch) > ticks + 20, "the successor goes on leading")
    assert observer.ticks(old_epoch) == at_takeover
    assert stopped.said(f"epoch {old_epoch} is over")
    successor.kill(signal.SIGKILL)
    wait_for(lambda: observer.leader(other_than=successor.name), "the resumed replica is a working standby")
    observer.assert_terms_in_order()


@pytest.mark.parametrize("where", ["between cycles", "stop-in-transaction"])
def test_the_database_ends_the_session_of_a_stopped_leader(
    start: Start, observer: Observer, live_browser: Client, where: str
) -> None:
    behaviour = "" if where == "between cycles" else where
    leader = start("a", behaviour=behaviour)
    if behaviour:
        wait_for(leader.is_stopped, "it stopped in its transaction")
        ((epoch, _, pid),) = observer.open_terms()
    else:
        epoch, _, pid = wait_for(observer.leader, "a leads")
    standby = start("b")
    wait_for(lambda: observer.sessions_of("b"), "b stands by")
    leader.kill(signal.SIGSTOP)
    wait_for(lambda: pid not in observer.holders(), "the database ended the silent session")
    assert_resumed_leader_stands_by(observer, leader, standby, epoch)
    assert observer.rows("SELECT 1 FROM leadership_schedulerevent WHERE event_type = 'job_cancelled'") == []
    if behaviour:  # it went on with its transaction, and that it was refused is on record
        assert observer.rows("SELECT actor, name, what, count, epoch FROM leadership_refusedwrite") == [
            ("leader", "a", "term_over", 1, epoch)
        ]
        assert scraped()["scheduler_refused_writes_total", "leader", "term_over"] == 1
        (listed,) = live_browser.get(page(RefusedWrite)).context["cl"].result_list
        assert (listed.name, listed.epoch) == ("a", epoch)
        terms = live_browser.get(page(LeaderTerm)).context["cl"].result_list
        assert [term.refused for term in terms if term.epoch == epoch] == [1]
        assert {term.refused for term in terms if term.epoch != epoch} == {None}


@pytest.mark.parametrize("behaviour", ["stop-while-reading", "stop-in-pipeline"])
def test_peers_end_the_session_of_a_leader_stopped_in_the_middle_of_something(
    start: Start, observer: Observer, behaviour: str
) -> None:
    """The idle timeouts do not see it: a statement runs and waits for its reader, or a pipeline for its end."""
    leader = start("a", behaviour=behaviour)
    wait_for(leader.is_stopped, "it stopped")
    ((epoch, _, pid),) = observer.open_terms()
    standby = start("b")
    wait_for(lambda: pid not in observer.holders(), "a standby ended its session")
    wait_for(
        lambda: (observer.end_reason(epoch) or "").startswith("evicted by b: no heartbeat for"), "the reason"
    )
    assert_resumed_leader_stands_by(observer, leader, standby, epoch)
    assert observer.rows("SELECT 1 FROM leadership_schedulerevent WHERE event_type = 'job_cancelled'") == []


def test_a_leader_in_a_statement_is_trusted_for_the_trust_window_and_no_longer(
    start: Start, observer: Observer
) -> None:
    start("a", behaviour="long-statement", LEADER_TRUST_WINDOW="2.5")
    ((epoch, _, _),) = wait_for(observer.open_terms, "a leads")
    start("b", LEADER_TRUST_WINDOW="2.5")
    reason = wait_for(lambda: observer.end_reason(epoch), "its session is ended")
    assert reason.startswith("evicted by b: no heartbeat for ")
    assert float(reason.split()[-2]) >= 2.5  # longer than the idle timeout
    observer.assert_terms_in_order()


def test_a_leader_whose_backend_was_terminated_steps_down_and_is_elected_anew(
    start: Start, observer: Observer
) -> None:
    leader = start("a")
    epoch, _, pid = wait_for(observer.leader, "a leads")
    observer.rows("SELECT pg_terminate_backend(%s)", [pid])

    def elected_anew() -> bool:
        found = observer.leader()
        return found is not None and found[0] > epoch and found[2] != pid

    wait_for(elected_anew, "a leads in a new term, on a new session")
    assert leader.said(f"epoch {epoch} is over, standby again")
    assert observer.end_reason(epoch) == "superseded"
    observer.assert_terms_in_order()


def test_a_standby_stopped_and_resumed_never_leads_beside_another(start: Start, observer: Observer) -> None:
    leader, standby, epoch = two_replicas(start, observer)
    standby.kill(signal.SIGSTOP)
    wait_for(lambda: not observer.sessions_of("b"), "the database ended the stopped standby's session")
    leader.kill(signal.SIGKILL)
    start("c")
    new_epoch, name, pid = wait_for(lambda: observer.leader(other_than="a"), "c leads")
    assert (name, new_epoch > epoch) == ("c", True)
    standby.kill(signal.SIGCONT)
    wait_for(lambda: standby.said("no session") and standby.said("connected again"), "the standby is back")
    ticks = observer.ticks(new_epoch)
    wait_for(lambda: observer.ticks(new_epoch) > ticks + 20, "c goes on leading")
    assert observer.holders() == [pid]
    observer.assert_terms_in_order()


def test_a_standby_that_lost_its_session_gets_another(start: Start, observer: Observer) -> None:
    leader, standby, _ = two_replicas(start, observer)
    wait_for(lambda: standby.said("standby"), "b is ready")
    observer.rows(
        "SELECT pg_terminate_backend(pid) FROM unnest(%s::int[]) AS pid", [observer.sessions_of("b")]
    )
    wait_for(lambda: standby.said("connected again"), "it says so")
    leader.kill(signal.SIGKILL)
    assert wait_for(lambda: observer.leader(other_than="a"), "the standby leads")[1] == "b"
    observer.assert_terms_in_order()


def test_sigterm_closes_the_term_and_exits_0(start: Start, observer: Observer) -> None:
    leader, standby, epoch = two_replicas(start, observer)
    asked_at = time.monotonic()
    leader.kill(signal.SIGTERM)
    assert leader.process.wait(10) == 0
    print(f"SIGTERM to exit: {(time.monotonic() - asked_at) * 1000:.0f} ms")
    assert observer.end_reason(epoch) == "stopped"
    stops = observer.rows(
        "SELECT event_data ->> 'reason' FROM leadership_schedulerevent WHERE event_type = 'stop' AND epoch = %s",
        [epoch],
    )
    assert stops == [("stopped",)]
    wait_for(lambda: observer.leader(other_than="a"), "the standby leads")
    standby.kill(signal.SIGINT)
    assert standby.process.wait(10) == 0
    assert observer.open_terms() == []
    observer.assert_terms_in_order()


# In one process: the fence, the life of a replica, and what it refuses.


class Counting:
    """A step that finds one thing in each run, and commits it."""

    name = "counting"

    def __init__(self, *, wake_in: float | None = 0.01, every: float = 0.0) -> None:
        self.wake_in = wake_in
        self.every = every
        self.runs: list[float] = []
        self.fails = 0

    def run_once(self, session: LeaderSession) -> StepResult:
        if self.fails:
            self.fails -= 1
            raise ZeroDivisionError("a step's own mistake")
        with session.transaction() as cursor:
            event_insert(cursor, event_type="job_scheduled", epoch=session.epoch)
        self.runs.append(time.monotonic())
        return StepResult({"found": 1}, wake_in=self.wake_in, by_type={"report": 1})


@pytest.fixture
def lead(live_db: str) -> Iterator[LeaderSession]:
    session = LeaderSession.acquire(replica="test", timings=Timings(idle_timeout=60))
    yield session
    session.close(reason="the test is over")


class Running:
    """A replica in a thread; what its `run` raised is raised by `stop`."""

    def __init__(self, replica: Replica) -> None:
        self.replica = replica
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        try:
            self.replica.run()
        except BaseException as error:
            self._error = error

    def stop(self) -> None:
        self.replica.stop()
        self._thread.join(10)
        assert not self._thread.is_alive()
        if self._error:
            raise self._error


def test_the_fence_refuses_a_commit_once_the_term_is_closed(lead: LeaderSession, observer: Observer) -> None:
    with lead.transaction() as cursor:
        event_insert(cursor, event_type="job_scheduled", epoch=lead.epoch)
    observer.connection.execute("UPDATE leadership_leaderterm SET ended_at = now(), end_reason = 'by hand'")
    with pytest.raises(TermLost), lead.transaction() as cursor:
        event_insert(cursor, event_type="job_scheduled", epoch=lead.epoch)
    with pytest.raises(TermLost):
        lead.beat()
    assert observer.ticks(lead.epoch) == 1


def test_closing_a_term_waits_for_its_commit_under_way(lead: LeaderSession, observer: Observer) -> None:
    observer.connection.execute("SET lock_timeout = '50ms'")
    with lead.transaction(), pytest.raises(psycopg.errors.LockNotAvailable):
        observer.connection.execute("UPDATE leadership_leaderterm SET ended_at = clock_timestamp()")
    observer.connection.execute("UPDATE leadership_leaderterm SET ended_at = clock_timestamp()")


def test_a_heartbeat_needs_the_lock_and_not_the_term_alone(lead: LeaderSession) -> None:
    lead.connection.execute("SELECT pg_advisory_unlock_all()")
    with pytest.raises(TermLost):
        lead.beat()


def test_a_heartbeat_that_was_rolled_back_stays_due(live_db: str) -> None:
    session = LeaderSession.acquire(replica="test", timings=Timings(heartbeat=0.001, idle_timeout=60))
    wait_for(lambda: session.beat_in <= 0, "a heartbeat is due")
    with pytest.raises(ZeroDivisionError), session.transaction():
        raise ZeroDivisionError
    assert session.beat_in <= 0
    session.close(reason="the test is over")


def test_only_one_term_is_open_though_a_session_lost_its_lock_as_it_opened_one(
    live_db: str, observer: Observer, caplog: Any
) -> None:
    """As the model found (docs/model): neither of two sessions sees the other's term, and both had the lock."""
    candidate = Candidate(replica="second", timings=Timings(), stopping=Wakeup())
    with connect(replica="first", timings=Timings()) as first, ThreadPoolExecutor(2) as thread:
        with first.transaction(), first.cursor() as cursor:
            assert statements.try_lock(cursor)
            assert statements.supersede_terms(cursor) == []
            term_id = uuid4()
            epoch, _ = statements.open_term(cursor, term_id=term_id, replica="first", host="h", process_id=1)
            statements.unlock(cursor)
            taking = thread.submit(candidate.try_once)
            wait_for(lambda: observer.waiting_for(first), "the second waits for the first's term")
        assert taking.result(10) is None, "it stays a standby"
        wait_for(lambda: observer.holders() == [], "a lock without a term must not live on")
        assert [open_epoch for open_epoch, _, _ in observer.open_terms()] == [epoch]
        assert "had the lock, but somebody who had it before opened a term meanwhile" in caplog.text
        session = wait_for(candidate.try_once, "it leads after all")
        assert [open_epoch for open_epoch, _, _ in observer.open_terms()] == [session.epoch]
        assert session.epoch > epoch
        with first.cursor() as cursor:
            assert statements.fence(cursor, epoch=epoch, term_id=term_id) is None
    session.close(reason="the test is over")
    observer.assert_terms_in_order()


def test_a_write_that_came_after_its_term_is_on_record_of_one_check_too(
    live_db: str, observer: Observer
) -> None:
    class Evicted(Counting):
        def run_once(self, session: LeaderSession) -> StepResult:
            observer.rows("UPDATE leadership_leaderterm SET ended_at = clock_timestamp() RETURNING epoch")
            return super().run_once(session)

    step = Evicted()
    with pytest.raises(TermLost):
        Replica([step], name="cron", timings=Timings()).check_once()
    assert step.runs == []
    assert observer.rows("SELECT actor, name, what, count FROM leadership_refusedwrite") == [
        ("leader", "cron", "term_over", 1)
    ]


def test_a_statement_that_fails_in_its_term_is_no_refused_write(live_db: str, observer: Observer) -> None:
    class Blocked(Counting):
        def run_once(self, session: LeaderSession) -> StepResult:
            with session.transaction() as cursor:
                cursor.execute("SET LOCAL lock_timeout = '10ms'")
                self.runs.append(time.monotonic())
                cursor.execute("LOCK TABLE jobs_job IN EXCLUSIVE MODE")
            return StepResult()

    step = Blocked()
    with observer.connection.transaction():
        observer.connection.execute("LOCK TABLE jobs_job IN EXCLUSIVE MODE")
        running = Running(Replica([step], name="test", timings=Timings()))
        wait_for(lambda: len(step.runs) > 1, "it failed, and is tried again")
    running.stop()
    assert [term.end_reason for term in LeaderTerm.objects.all()] == ["stopped"]
    assert observer.rows("SELECT * FROM leadership_refusedwrite") == []


def test_the_lock_is_held_once(lead: LeaderSession) -> None:
    with pytest.raises(LeaderElsewhere):
        LeaderSession.acquire(replica="another")
    assert check_once([Counting()]) is None


def test_one_check_leads_for_one_round_and_releases(live_db: str, observer: Observer) -> None:
    step = Counting(wake_in=None)
    assert check_once([step]) == {"found": 1}
    assert check_once([step]) == {"found": 1}
    assert len(step.runs) == 2
    assert [term.end_reason for term in LeaderTerm.objects.order_by("epoch")] == ["one check", "one check"]
    assert observer.holders() == []


def test_start_stop_start_in_one_process(live_db: str, observer: Observer, caplog: Any) -> None:
    step = Counting()
    replica = Replica([step], name="again", timings=Timings())
    with caplog.at_level(logging.INFO):
        for round_ in range(3):
            done = len(step.runs)
            running = Running(replica)
            wait_for(lambda done=done: len(step.runs) > done + 2, f"it leads, round {round_}")
            running.stop()
            assert replica.epoch is None
            assert observer.holders() == []
    assert [term.end_reason for term in LeaderTerm.objects.order_by("epoch")] == ["stopped"] * 3
    assert "closed" not in caplog.text
    assert [record for record in caplog.records if record.levelno > logging.INFO] == []


def test_a_step_that_fails_pauses_and_the_others_go_on(live_db: str, caplog: Any) -> None:
    failing, working = Counting(), Counting()
    failing.name, failing.fails = "failing", 2
    running = Running(Replica([failing, working], name="test", timings=Timings()))
    wait_for(lambda: failing.runs, "it is tried again")
    running.stop()
    first = failing.runs[0]
    assert len([at for at in working.runs if at < first]) > 5
    assert caplog.text.count("step failing failed") == 2
    assert LeaderTerm.objects.count() == 1


def test_a_notification_wakes_a_sleeping_leader(live_db: str, observer: Observer) -> None:
    step = Counting(wake_in=None)
    running = Running(Replica([step], name="test", timings=Timings()))
    wait_for(lambda: step.runs, "the first cycle")
    observer.connection.execute("SELECT pg_notify('scheduler_jobs', '')")
    wait_for(lambda: len(step.runs) > 1, "the second cycle, long before the check interval", seconds=5)
    running.stop()


def test_a_step_is_woken_close_to_the_time_it_asked_for(live_db: str) -> None:
    step = Counting(wake_in=0.05)
    running = Running(Replica([step], name="test", timings=Timings()))
    wait_for(lambda: len(step.runs) > 20, "twenty cycles")
    running.stop()
    late = sorted(after - before - 0.05 for before, after in zip(step.runs, step.runs[1:], strict=False))
    print(
        f"from asked to committed: median {late[len(late) // 2] * 1000:.1f} ms, worst {late[-1] * 1000:.1f} ms"
    )
    assert late[0] >= 0
    assert late[len(late) // 4] < 0.02  # of a quarter: the machine may have other things to do


def test_cycles_are_journaled_together(live_db: str) -> None:
    step = Counting(wake_in=0.005)
    running = Running(Replica([step], name="test", timings=Timings()))
    wait_for(lambda: len(step.runs) > 30, "thirty cycles")
    running.stop()
    with machine.connect(application_name="observer") as observing:
        cycles = observing.execute(
            "SELECT check_cycle_number, tasks_found, tasks_by_type, event_data, check_interval_minutes, epoch"
            " FROM leadership_schedulerevent WHERE event_type = 'check_cycle' AND tenant_id IS NULL ORDER BY id"
        ).fetchall()
    assert 2 <= len(cycles) <= 4
    assert sum(row[1] for row in cycles) == len(step.runs)
    assert sum(row[2].get("report", 0) for row in cycles) == len(step.runs)
    assert sum(row[3]["cycles"] for row in cycles) == cycles[-1][0] == len(step.runs)
    assert {row[4] for row in cycles} == {1.0}
    assert len({row[5] for row in cycles}) == 1


def test_start_stop_and_a_changed_interval_are_journaled(live_db: str, observer: Observer) -> None:
    for interval in (60, 60, 30):
        Replica([Counting(wake_in=None)], name="test", timings=Timings(check_interval=interval)).check_once()
    events = observer.rows(
        "SELECT event_type, previous_interval_minutes, new_interval_minutes FROM leadership_schedulerevent"
        " WHERE event_type IN ('start', 'stop', 'interval_adjustment') ORDER BY id"
    )
    start, stop = ("start", None, None), ("stop", None, None)
    assert events == [start, stop, start, stop, ("interval_adjustment", 1.0, 0.5), start, stop]


def test_status_tells_of_a_leader_that_lives(live_db: str, observer: Observer) -> None:
    status = leadership_status()
    assert (status["mode"], status["is_leader"], status["epoch"]) == ("postgres_advisory_lock", False, None)
    session = LeaderSession.acquire(replica="test", timings=Timings(idle_timeout=60))
    status = leadership_status()
    assert (status["is_leader"], status["execution_enabled"]) == (True, True)
    assert (status["epoch"], status["replica"]) == (session.epoch, "test")
    assert status["heartbeat_age_seconds"] is not None
    assert status["heartbeat_age_seconds"] < 5
    observer.connection.execute("UPDATE leadership_leaderterm SET heartbeat_at = now() - interval '1 minute'")
    assert current_term() is None
    session.close(reason="the test is over")


def test_a_read_only_server_is_refused(live_db: str, observer: Observer) -> None:
    database = observer.connection.info.dbname
    setting = f'ALTER ROLE CURRENT_USER IN DATABASE "{database}"'
    observer.connection.execute(f"{setting} SET default_transaction_read_only = on")
    try:
        with pytest.raises(UnfitServer, match="read-only"):
            connect(replica="test", timings=Timings())
        with pytest.raises(UnfitServer, match="read-only"):
            Replica([], name="test", timings=Timings()).run()
    finally:
        observer.connection.execute(f"{setting} RESET default_transaction_read_only")
    connect(replica="test", timings=Timings()).close()


def test_the_commands_say_what_they_did(start: Start, observer: Observer, capsys: Any) -> None:
    call_command("check_due_tasks")
    assert capsys.readouterr().out.strip() not in ("", "standby")
    assert observer.rows("SELECT end_reason FROM leadership_leaderterm") == [("one check",)]
    session = LeaderSession.acquire(replica="test", timings=Timings(idle_timeout=60))
    call_command("check_due_tasks")
    assert capsys.readouterr().out.strip() == "standby"
    session.close(reason="the test is over")


def test_run_scheduler_leads_under_its_name_and_stops_at_sigterm(
    live_db: str, observer: Observer, tmp_path: Path
) -> None:
    with running_command(live_db, tmp_path / "log", "run_scheduler", "--replica", "main") as process:
        ((epoch, name, _),) = wait_for(observer.open_terms, "it leads")
        assert name == "main"
        cycles = "SELECT 1 FROM leadership_schedulerevent WHERE event_type = 'check_cycle' AND epoch = %s"
        wait_for(lambda: observer.rows(cycles, [epoch]), "its first cycle")
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
    assert observer.end_reason(epoch) == "stopped"
