"""The fold of outcomes: tells each job's cursor how its executions ended, and the journal.

Completions leave notes, one per job and flush, and never touch a cursor: workers would queue up behind each other
there. The leader alone takes the notes and moves the cursors, in the transaction that removes them. What follows from
them happens in it as well: a cool-off begins or closes, a job whose endpoint is gone is switched off, and what tenants
asked to be told of is kept for that.
"""

from __future__ import annotations

from collections.abc import Iterable

from apps.executions.states import Outcome
from apps.executions.waiting import Waiting, hold_waiting, release_waiting
from apps.jobs import outcome_lines, statements
from apps.jobs.notices import notices_of
from apps.jobs.rows import JobOutcome, Note, Told
from apps.leadership.session import LeaderSession
from apps.leadership.steps import StepResult

BATCH = 5_000  # notes
COMPLETED_EVERY = 60.0  # seconds between two job_completed lines of one job


class OutcomeFold:
    """A step of the leader. Failures are always in the journal; completions at most once a minute for each job.

    A job_completed line counts what came since the last one; the count is the leader's memory, and starts anew with
    a new leader.
    """

    name = "outcomes"
    every = 0.25

    def __init__(self, *, batch: int = BATCH) -> None:
        self.batch = batch
        self._untold: dict[int, int] = {}

    def run_once(self, session: LeaderSession) -> StepResult:
        """Fold up to one batch of notes. Raises what the session raises."""
        if not statements.has_notes(session):
            return StepResult()
        with session.transaction() as cursor:
            # A cursor that somebody holds for long must not keep the leader from its heartbeat: fail, and pause. Sooner
            # than a deadlock is looked for (1 s), so that it is never the other side that has to give way.
            cursor.execute("SET LOCAL lock_timeout = '200ms'")
            notes = statements.take_notes(cursor, batch=self.batch)
            told, outcomes = self._tell(cursor, notes) if notes else ([], {})
            _pace_waiting(cursor, told)
            paused = _pause_gone(cursor, told, outcomes, session.epoch)
            failing = [job for job in told if outcomes[job.job_id].failures]
            completed = [job for job in told if self._is_line_due(job, outcomes[job.job_id])]
            notices = notices_of(told, outcomes)
            with cursor.connection.pipeline():
                for job in failing:
                    outcome_lines.failed(cursor, job, outcomes[job.job_id], session.epoch)
                for job in paused:
                    outcome_lines.paused(cursor, job, session.epoch)
                for job in completed:
                    count = outcomes[job.job_id].successes + self._untold.get(job.job_id, 0)
                    outcome_lines.completed(cursor, job, count, session.epoch)
                if completed:
                    statements.stamp_journaled(cursor, [job.job_id for job in completed])
                if notices:
                    statements.insert_notices(cursor, notices)
        self._remember(told, outcomes, {job.job_id for job in completed})
        counts = {
            "notes": len(notes),
            "jobs": len(told),
            "jobs_failing": len(failing),
            "cool_offs": sum(job.cools_off for job in told),
            "jobs_paused": len(paused),
        }
        return StepResult(counts, again=len(notes) == self.batch)

    def _tell(
        self, cursor: statements.Session, notes: list[Note]
    ) -> tuple[list[Told], dict[int, JobOutcome]]:
        outcomes = merge(notes)
        ordered = [outcomes[job_id] for job_id in sorted(outcomes)]
        statements.lock_cursors(cursor, [outcome.job_id for outcome in ordered])
        return statements.apply_outcomes(cursor, ordered), outcomes

    def _is_line_due(self, job: Told, outcome: JobOutcome) -> bool:
        aged = job.journal_age is None or job.journal_age >= COMPLETED_EVERY
        return outcome.successes > 0 and (aged or job.recovered)

    def _remember(self, told: list[Told], outcomes: dict[int, JobOutcome], completed: set[int]) -> None:
        for job in told:
            if job.job_id in completed:
                self._untold.pop(job.job_id, None)
            elif successes := outcomes[job.job_id].successes:
                self._untold[job.job_id] = self._untold.get(job.job_id, 0) + successes


def _pace_waiting(cursor: statements.Session, told: list[Told]) -> None:
    """What waits of a job that cools off is held until then, and let go when the cool-off closes before that."""
    held = [
        Waiting(job.job_id, job.cool_off_until, job.pace)
        for job in told
        if job.cool_off_until is not None and job.cools_off
    ]
    let_go = [
        Waiting(job.job_id, job.cooled_until, job.pace)
        for job in told
        if job.cooled_until is not None and job.recovered
    ]
    if held:
        hold_waiting(cursor, held)
    if let_go:
        release_waiting(cursor, let_go)


def _pause_gone(
    cursor: statements.Session, told: list[Told], outcomes: dict[int, JobOutcome], epoch: int
) -> list[Told]:
    """Switch off the jobs whose endpoint is gone; which those are."""
    gone = [outcomes[job.job_id] for job in told if outcomes[job.job_id].gone_version is not None]
    paused = statements.pause_gone(cursor, gone, epoch=epoch) if gone else set()
    return [job for job in told if job.job_id in paused]


def merge(notes: Iterable[Note]) -> dict[int, JobOutcome]:
    """One outcome for each job, from its notes in the order in which its executions finished."""
    merged: dict[int, JobOutcome] = {}
    for note in sorted(notes, key=lambda note: (note.finished_at, note.id)):
        outcome = merged.get(note.job_id)
        if outcome is None:
            outcome = merged[note.job_id] = JobOutcome(note.job_id, note.status, note.finished_at)
        outcome.status, outcome.finished_at = note.status, note.finished_at
        outcome.successes += note.successes
        outcome.failures += note.failures
        if note.successes:
            outcome.success_at, outcome.trailing = note.finished_at, 0
        if note.failures:
            outcome.failure_at = note.finished_at
            # A note whose last word is a success says nothing of why the others failed.
            outcome.reason = note.error_message if note.status == Outcome.FAILED else outcome.reason
        if note.trailing_failures:
            outcome.trailing += note.trailing_failures
            outcome.streak_at = note.finished_at
        if note.gone_version is not None:
            outcome.gone_version, outcome.gone_at = note.gone_version, note.finished_at
    return merged
