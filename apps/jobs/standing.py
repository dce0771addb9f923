"""Where a job stands in its schedule, and what that says of a time that nothing records. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from apps.jobs.recurrence.rules import Rule

INSTANT = timedelta(microseconds=1)
_FIRST, _LAST = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)


class Fate(StrEnum):
    """The first three and `pending` have an execution; the others have none."""

    SUCCESS = "success"
    FAILED = "failed"
    RUNNING = "running"
    PENDING = "pending"
    SKIPPED = "skipped"
    UPCOMING = "upcoming"
    PAUSED = "paused"
    QUARANTINED = "quarantined"
    NOT_DISPATCHED_YET = "not_dispatched_yet"
    DELETED = "deleted"
    BEFORE_CREATION = "before_creation"
    BEFORE_SCHEDULE = "before_schedule"
    NOT_RECORDED = "not_recorded"
    NOT_SCHEDULED = "not_scheduled"


@dataclass(frozen=True, slots=True)
class Standing:
    """Where the job stands at `now`. `rule` is None where it cannot be worked out; `since` is when the schedule as it
    is now took effect; `held` is PAUSED or QUARANTINED, or None while the schedule counts; `cools_until` is the end of
    a cool-off, past or to come.
    """

    rule: Rule | None
    now: datetime
    created_at: datetime
    since: datetime
    next_run_at: datetime | None = None
    paused_from: datetime | None = None
    accounted: datetime | None = None
    held: Fate | None = None
    cools_until: datetime | None = None
    deleted_at: datetime | None = None

    @property
    def placed(self) -> bool:
        return (self.next_run_at or self.paused_from) is not None

    @property
    def place(self) -> datetime:
        """The first time that has no outcome yet; without a cursor's word, right after the last that has one."""
        after = max(filter(None, (self.accounted, self.since, self.created_at)))
        return self.next_run_at or self.paused_from or after + INSTANT


def stretches(standing: Standing) -> Iterator[tuple[datetime, datetime, Fate]]:
    """Closed intervals, in order, and what a time within them is that nothing records."""
    created, place, now = standing.created_at, standing.place, standing.now
    since = max(standing.since, created)
    yield _FIRST, created - INSTANT, Fate.BEFORE_CREATION
    yield created, min(since, place - INSTANT), Fate.BEFORE_SCHEDULE
    yield since + INSTANT, place - INSTANT, Fate.NOT_RECORDED
    if standing.deleted_at is not None:
        yield place, _LAST, Fate.DELETED
    elif standing.held is not None:
        yield place, _LAST, standing.held
    elif not standing.placed:
        yield place, _LAST, Fate.NOT_DISPATCHED_YET
    else:
        yield place, now, Fate.NOT_DISPATCHED_YET
        to_come, cooled = max(place, now + INSTANT), standing.cools_until or now
        yield to_come, cooled, Fate.UPCOMING
        yield max(to_come, cooled + INSTANT), _LAST, Fate.UPCOMING
