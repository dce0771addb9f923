"""A replica's life: standby, leader, standby, until it is stopped."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Sequence

import psycopg

from apps.leadership.election import Candidate
from apps.leadership.refusals import record_late_leader
from apps.leadership.session import STEPPED_DOWN, LeaderSession, TermLost, replica_name
from apps.leadership.steps import Step
from apps.leadership.term import Term
from apps.leadership.timings import Timings
from apps.leadership.wakeup import Wakeup

logger = logging.getLogger(__name__)

_AFTER_A_TERM = (
    0.1  # seconds, or four polls: another replica goes first, and a term that cannot begin does not spin
)


class Replica:
    """One of any number of schedulers. Can be run again after it was stopped."""

    def __init__(
        self, steps: Sequence[Step], *, name: str | None = None, timings: Timings | None = None
    ) -> None:
        self.name = name or replica_name()
        self._steps = steps
        self._timings = timings or Timings.from_settings()
        self._stopping = Wakeup()
        self._epoch: int | None = None

    @property
    def epoch(self) -> int | None:
        """The epoch this replica leads in, None while it is a standby. What it was just now, not a fence."""
        return self._epoch

    def run(self) -> None:
        """Stand by and lead in turn until `stop`. Raises UnfitServer when the first server cannot hold a leader."""
        candidate = Candidate(replica=self.name, timings=self._timings, stopping=self._stopping)
        logger.info("replica %s: standby", self.name)
        try:
            while (session := candidate.wait()) is not None:
                if not self._lead(session):
                    self._stopping.sleep(max(_AFTER_A_TERM, 4 * self._timings.election_poll))
        finally:
            candidate.close()
            self._stopping.clear()

    def stop(self) -> None:
        """Finish the transaction under way, close the term, and return from `run`; the next `run` if none is under way.

        For other threads and for signal handlers: it neither blocks nor takes a lock.
        """
        self._stopping.set()

    def check_once(self) -> dict[str, int] | None:
        """Try the lock once. As leader, cycle until no step wants to run again; counts by name. None as standby.

        Raises UnfitServer, and psycopg.OperationalError when there is no server; TermLost when the term was lost.
        """
        candidate = Candidate(replica=self.name, timings=self._timings, stopping=self._stopping)
        try:
            session = candidate.try_once()
            return None if session is None else self._check(session)
        finally:
            candidate.close()
            self._stopping.clear()

    def _lead(self, session: LeaderSession) -> bool:
        """Whether the term ended because we were told to stop."""
        self._epoch = session.epoch
        logger.info("replica %s: leader, epoch %s", self.name, session.epoch)
        reason = "failed"
        try:
            term = Term(session, self._steps, stopping=self._stopping)
            term.begin()
            term.run()
            term.finish()
            reason = "stopped"
            if session.step_down_reason and not self._stopping.is_set:
                reason = f"{STEPPED_DOWN}{session.step_down_reason}"
                logger.info("replica %s: epoch %s %s", self.name, session.epoch, reason)
        except (TermLost, psycopg.Error) as error:
            reason = f"lost: {' '.join(str(error).split())}"
            logger.warning(
                "replica %s: epoch %s is over, standby again: %s", self.name, session.epoch, reason
            )
        finally:
            self._epoch = None
            self._end(session, reason)
        return reason == "stopped"

    def _check(self, session: LeaderSession) -> dict[str, int]:
        counts: Counter[str] = Counter()
        reason = "failed"
        try:
            term = Term(session, self._steps, stopping=self._stopping)
            term.begin()
            again = True
            while again and not term.ends:
                again = term.cycle(into=counts)
            term.finish()
            reason = "one check"
        finally:
            self._end(session, reason)
        return dict(counts)

    def _end(self, session: LeaderSession, reason: str) -> None:
        session.close(reason=reason)
        if session.refused:
            record_late_leader(replica=self.name, epoch=session.epoch, term_id=session.term_id)


def check_once(steps: Sequence[Step], *, name: str | None = None) -> dict[str, int] | None:
    """`Replica.check_once` for a process that does nothing else."""
    return Replica(steps, name=name).check_once()
