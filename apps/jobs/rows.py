"""Rows that the loop reads and writes, in the order of the columns of their statements; see `statements`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple


@dataclass(frozen=True, slots=True)
class DueJob:
    """A due cursor with its job, in the order of the columns of `read_due.sql`."""

    job_id: int
    tenant_id: int
    next_run_at: datetime
    last_scheduled_for: datetime | None
    version: int
    trigger_type: str
    cron_expression: str
    timezone: str
    interval_seconds: int | None
    anchor_at: datetime | None
    run_date: datetime | None
    dst_gap: str
    dst_overlap: str
    misfire: str
    misfire_grace_seconds: int
    overlap: str
    name: str
    user_id: str | None
    legacy_user_id: int | None
    task_type: str
    target: str
    priority: int
    content_version: int
    timeout_seconds: int
    max_attempts: int
    retry_delay_seconds: int
    retry_max_delay_seconds: int
    suspended: bool


class Due(NamedTuple):
    """What is due at `now`, and when the next cursor after `now` will be."""

    now: datetime
    next_due: datetime | None
    jobs: list[DueJob]


class Standing(NamedTuple):
    """A locked cursor as it is now."""

    next_run_at: datetime | None
    version: int
    active: bool
    live: bool


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


class Told(NamedTuple):
    """A job whose cursor was told, and what the journal says of it. `journal_age` in seconds; None: never."""

    job_id: int
    tenant_id: int
    name: str
    task_type: str
    user_id: str | None
    legacy_user_id: int | None
    journal_age: float | None
    consecutive_failures: int


@dataclass(slots=True)
class JobOutcome:
    """Several notes on one job as one: the newest, the latest success and failure, the failures after the success."""

    job_id: int
    status: str
    finished_at: datetime
    success_at: datetime | None = None
    failure_at: datetime | None = None
    reason: str | None = None
    trailing: int = 0
    successes: int = 0
    failures: int = 0
