"""What else explains a time, beside what is recorded of it: who led, what the queue allows, blackouts to come."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from apps.executions.models import Execution
from apps.executions.places import Place, place_of
from apps.executions.states import State
from apps.jobs.calendars.selectors import blackouts_for
from apps.jobs.fates import Entry
from apps.jobs.jitter import delay
from apps.jobs.models import Job
from apps.jobs.plans import Blackout
from apps.jobs.recurrence.rules import Rule
from apps.jobs.selectors import plan_of
from apps.jobs.standing import Fate
from apps.leadership.absences import Absence, absences
from apps.leadership.selectors import leadership_status
from apps.tenants.models import Tenant


@dataclass(frozen=True, slots=True)
class Circumstances:
    """`leader` says in a sentence whether somebody dispatches. `place` is that of the first run that waits, `cap` how
    many runs its tenant may have at once (0: any number).
    """

    leader: str
    absences: Sequence[Absence] = ()
    blackouts: tuple[Blackout, ...] = ()
    suspended: bool = False
    place: Place | None = None
    cap: int = 0
    job_id: int = 0
    jitter_seconds: int = 0

    def absent(self, start: datetime, until: datetime) -> list[Absence]:
        """The spans without a leader that reach into [start, until], in order."""
        return sorted(
            each for each in self.absences if each.start <= until and (each.until or until) >= start
        )

    def starts_at(self, rule: Rule, tick: datetime) -> datetime:
        """When a time to come starts, with the job's jitter."""
        return tick + timedelta(seconds=delay(self.job_id, rule, tick, self.jitter_seconds))


def circumstances_of(
    tenant: Tenant, job: Job, found: Sequence[Entry], *, start: datetime, until: datetime
) -> Circumstances:
    """Reads what the entries `found` of [start, until] need: two queries, and three more where a run waits."""
    status = leadership_status()
    leader = "There is no leader: nothing is dispatched until a replica takes over."
    if status["is_leader"]:
        leader = f"A replica leads, in epoch {status['epoch']}, and will account for it."
    # A skip says what happened until it was written, which may be after what was asked about.
    written = [entry.skip.created_at for entry in found if entry.skip is not None]
    begun = [entry.skip.first for entry in found if entry.skip is not None]
    waiting = _waiting(found)
    coming = any(entry.fate is Fate.UPCOMING for entry in found)
    return Circumstances(
        leader,
        absences(min(begun, default=start), max(written, default=until)),
        _blackouts(tenant, job) if coming else (),
        tenant.status != Tenant.Status.ACTIVE,
        place_of(waiting) if waiting is not None else None,
        plan_of(tenant).max_concurrency if waiting is not None else 0,
        job.pk,
        job.jitter_seconds,
    )


def _waiting(found: Sequence[Entry]) -> Execution | None:
    for entry in found:
        if isinstance(entry.run, Execution) and entry.run.state == State.PENDING:
            return entry.run
    return None


def _blackouts(tenant: Tenant, job: Job) -> tuple[Blackout, ...]:
    try:
        return blackouts_for(tenant, job.calendar_id)
    except ValueError:  # ScheduleError is one: the calendar's zone is gone
        return ()
