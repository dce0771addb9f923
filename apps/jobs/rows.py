"""Rows that the loop reads and writes, in the order of the columns of their statements; see `statements`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple


@dataclass(frozen=True, slots=True)
class DueGroup:
    """Due jobs that are planned alike, in the order of the columns of `read_due.sql`.

    `job_ids` and `versions` are texts with commas, as the next statement wants them: nobody here looks at a job. The
    tenant is known where its plan has limits (`limited`); `suspended` and the limits are null where there are none.
    """

    n: int
    job_ids: str
    versions: str
    next_run_at: datetime
    last_scheduled_for: datetime | None
    cool_off_until: datetime | None
    limited: int | None
    per_minute: int | None
    per_day: int | None
    suspended: bool | None
    active: bool
    trigger_type: str
    cron_expression: str
    timezone: str
    interval_seconds: int | None
    anchor_at: datetime | None
    run_date: datetime | None
    dst_gap: str
    dst_overlap: str
    starts_at: datetime | None
    ends_at: datetime | None
    jitter_seconds: int
    misfire: str
    misfire_grace_seconds: int
    misfire_max_runs: int
    misfire_pace_seconds: int
    overlap: str
    calendar_id: int | None
    calendar_name: str | None
    calendar_timezone: str | None
    blackouts: list[dict[str, str]] | None


class Due(NamedTuple):
    """What is due at `now`, and when the next cursor after `now` will be."""

    now: datetime
    next_due: datetime | None
    groups: list[DueGroup]

    @property
    def n(self) -> int:
        return sum(group.n for group in self.groups)


class Held(NamedTuple):
    """`n` jobs of the `part`th part whose cursors are held, with `taken` executions in their way."""

    part: int
    taken: int
    n: int
    job_ids: str


class Figure(NamedTuple):
    """Ticks of one tenant's tasks of one type that got an outcome, and how many of them were skipped."""

    tenant_id: int
    task_type: str
    found: int
    skipped: int


class Quarantined(NamedTuple):
    """A job that was taken out of the schedule, and what the journal says of it."""

    job_id: int
    tenant_id: int
    task_type: str
    user_id: str | None
    legacy_user_id: int | None
    due: datetime
    reason: str


class CycleStart(NamedTuple):
    """Where a tenant's journal stands: seconds since its last check cycle there (None: none), and its totals."""

    age: float | None
    check_cycles: int
    executed: int
    failed: int


class Note(NamedTuple):
    """What one flush of completions says of one job."""

    id: int
    job_id: int
    status: str
    error_message: str | None
    finished_at: datetime
    successes: int
    failures: int
    trailing_failures: int
    gone_version: int | None


class Told(NamedTuple):
    """A job whose cursor was told, and what the journal says of it. `journal_age` in seconds; None: never.

    `cooled_until` is the end of its cool-off as it was before, `cool_off_until` as it is now; `pace` is in seconds.
    `healed`: a success ended the failures in a row that were known before, of which there were `failures_before`.
    """

    job_id: int
    tenant_id: int
    name: str
    task_type: str
    user_id: str | None
    legacy_user_id: int | None
    journal_age: float | None
    consecutive_failures: int
    cooled_until: datetime | None
    cool_off_until: datetime | None
    cool_offs: int
    pace: int
    failures_before: int
    healed: bool

    @property
    def cools_off(self) -> bool:
        """Whether it has just been put into a cool-off."""
        return self.cool_off_until is not None and self.cool_off_until != self.cooled_until

    @property
    def recovered(self) -> bool:
        """Whether its cool-off has just been closed."""
        return self.cooled_until is not None and self.cool_off_until is None


@dataclass(slots=True)
class JobOutcome:
    """Several notes on one job as one: the newest, the latest success and failure, the failures after the success.

    `streak_at` is the latest of those failures. `gone_version` is the content whose endpoint was said to be gone at
    `gone_at`.
    """

    job_id: int
    status: str
    finished_at: datetime
    success_at: datetime | None = None
    failure_at: datetime | None = None
    reason: str | None = None
    trailing: int = 0
    streak_at: datetime | None = None
    gone_version: int | None = None
    gone_at: datetime | None = None
    successes: int = 0
    failures: int = 0
