"""A leader's term: run what is due, say that we live, sleep until there is something to do.

A cycle runs each step whose time has come. The term ends when told to stop, when an operator asked for that, when
the session or the term is gone (`TermLost`), and never because a step failed: that step pauses, the others go on.
"""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import psycopg

from apps.leadership import statements
from apps.leadership.cycle_journal import CycleJournal
from apps.leadership.journal import event_insert
from apps.leadership.metrics import step_seconds
from apps.leadership.models import SchedulerEvent
from apps.leadership.session import LeaderSession, TermLost
from apps.leadership.steps import Step, StepResult
from apps.leadership.wakeup import Wakeup

logger = logging.getLogger(__name__)

JOBS_CHANNEL = "scheduler_jobs"
STEP_DOWN_CHANNEL = "scheduler_step_down"
_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 30.0
_SHORTEST_SLEEP = 0.0005  # a step that expects work "now" and finds none must not spin


@dataclass(slots=True)
class _Slot:
    """A step with the monotonic times at which it is due and, after a failure, may run again."""

    step: Step
    due_at: float = 0.0
    paused_until: float = 0.0
    pause: float = 0.0


class Term:
    """One term, on the session that holds the lock. `stopping` ends it after the transaction under way."""

    def __init__(self, session: LeaderSession, steps: Sequence[Step], *, stopping: Wakeup) -> None:
        self._session = session
        self._slots = [_Slot(step) for step in steps]
        self._stopping = stopping
        self._interval = session.timings.check_interval
        self._journal = CycleJournal(epoch=session.epoch, check_interval=self._interval)

    def begin(self) -> None:
        """Journal the start (and a changed check interval), and listen for changed jobs. Raises TermLost."""
        minutes = self._interval / 60
        session = self._session
        with session.transaction() as cursor:
            previous = statements.read_last_interval(cursor)
            if previous is not None and previous != minutes:
                event_insert(
                    cursor,
                    event_type=SchedulerEvent.Type.INTERVAL_ADJUSTMENT,
                    epoch=session.epoch,
                    check_interval_minutes=minutes,
                    previous_interval_minutes=previous,
                    new_interval_minutes=minutes,
                )
            event_insert(
                cursor,
                event_type=SchedulerEvent.Type.START,
                epoch=session.epoch,
                check_interval_minutes=minutes,
                event_data={"replica": session.replica, "term_id": str(session.term_id)},
            )
        session.connection.execute(f"LISTEN {JOBS_CHANNEL}; LISTEN {STEP_DOWN_CHANNEL}")

    @property
    def ends(self) -> bool:
        """Whether this process was told to stop, or this term is to end."""
        return self._stopping.is_set or bool(self._session.step_down_reason)

    def run(self) -> None:
        """Cycles until it `ends`. Raises TermLost, or psycopg.Error when the connection is gone."""
        while not self.ends:
            if not self.cycle():
                self._sleep()

    def cycle(self, into: Counter[str] | None = None) -> bool:
        """Run the steps that are due, add their counts `into`. Returns whether one wants to run again at once."""
        started = time.monotonic()
        results: dict[str, StepResult] = {}
        for slot in self._slots:
            now = time.monotonic()
            if now < slot.paused_until or (slot.step.every > 0 and now < slot.due_at):
                continue
            if (result := self._run(slot)) is not None:
                results[slot.step.name] = result
                if into is not None:
                    into.update(result.counts)
            if self.ends:
                break
        self._journal.add(results, seconds=time.monotonic() - started)
        self._keep_up()
        return any(result.again for result in results.values())

    def finish(self) -> None:
        """Write what the journal still holds. Raises TermLost."""
        if self._journal.has_work:
            self._write_journal()

    def _run(self, slot: _Slot) -> StepResult | None:
        """One run; None when it failed. Raises TermLost when it failed because the term is over."""
        started = time.monotonic()
        try:
            result = slot.step.run_once(self._session)
        except TermLost:
            raise
        except Exception:
            self._session.beat()  # a session that is gone says so here, and the step was not to blame
            slot.pause = min(max(slot.pause * 2, _FIRST_PAUSE), _LONGEST_PAUSE)
            slot.paused_until = slot.due_at = time.monotonic() + slot.pause
            logger.exception("step %s failed; it pauses for %.1f s", slot.step.name, slot.pause)
            return None
        now = time.monotonic()
        step_seconds.observe(now - started, of=slot.step.name)
        slot.pause = 0.0
        wait = slot.step.every or self._interval
        if result.wake_in is not None:
            wait = min(wait, max(result.wake_in, _SHORTEST_SLEEP))
        slot.due_at = now if result.again else now + wait
        return result

    def _sleep(self) -> None:
        """Until a step is due, a job changed, or told to stop; heartbeats and the journal are kept on the way."""
        due_at = min((slot.due_at for slot in self._slots), default=time.monotonic() + self._interval)
        while not self.ends:
            # First the notifications that came with the answers to the steps' queries.
            if self._notified() or (left := due_at - time.monotonic()) <= 0:
                return
            wait = min(left, self._session.beat_in, self._journal.due_in)
            self._stopping.wait(wait, self._session.connection.fileno())
            self._keep_up()

    def _keep_up(self) -> None:
        if self._session.beat_in <= 0:
            self._session.beat()
        if self._journal.due_in <= 0:
            self._write_journal()

    def _write_journal(self) -> None:
        with self._session.transaction() as cursor:
            self._journal.write(cursor)
        self._journal.written()

    def _notified(self) -> bool:
        """Whether a notification has come. Raises psycopg.OperationalError when the server ended the session.

        One that somebody asks for this term's end has the term's row read at once.
        """
        connection = self._session.connection
        if connection.closed:
            raise psycopg.OperationalError("the session was ended")
        channels = {note.channel for note in connection.notifies(timeout=0)}
        while (parsed := connection.pgconn.notifies()) is not None:  # came in the same packet as an answer
            channels.add(parsed.relname.decode())
        if STEP_DOWN_CHANNEL in channels:
            self._session.beat()
        return bool(channels)
