"""Between stored jobs and recurrence rules; and what became due while nobody dispatched."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol, cast

from django.db import connection

from apps.jobs.recurrence.counting import count_between
from apps.jobs.recurrence.rules import (
    BareRule,
    CronRule,
    DateRule,
    DstGap,
    DstOverlap,
    IntervalRule,
    ManualRule,
    Rule,
    within,
)
from apps.jobs.recurrence.times import next_after
from apps.jobs.states import Trigger

_JUST_BEFORE = timedelta(microseconds=1)


class Scheduled(Protocol):
    """The columns of a job that make its rule: a `Job`, a row of the dispatcher's, a `TriggerSpec`."""

    @property
    def trigger_type(self) -> str: ...
    @property
    def cron_expression(self) -> str: ...
    @property
    def timezone(self) -> str: ...
    @property
    def interval_seconds(self) -> int | None: ...
    @property
    def anchor_at(self) -> datetime | None: ...
    @property
    def run_date(self) -> datetime | None: ...
    @property
    def dst_gap(self) -> str: ...
    @property
    def dst_overlap(self) -> str: ...
    @property
    def starts_at(self) -> datetime | None: ...
    @property
    def ends_at(self) -> datetime | None: ...


def rule_of(job: Scheduled) -> Rule:
    """The rule of a stored job, window and all. It was validated when it was saved; nothing is checked again.

    Raises ValueError where the row cannot be a rule (a trigger without its columns); a bad expression or zone
    shows only when the rule is asked for a time, as ScheduleError.
    """
    return within(_bare_rule(job), job.starts_at, job.ends_at)


def _bare_rule(job: Scheduled) -> BareRule:
    match job.trigger_type:
        case Trigger.CRON:
            return CronRule(
                job.cron_expression,
                job.timezone,
                cast(DstGap, job.dst_gap),
                cast(DstOverlap, job.dst_overlap),
            )
        case Trigger.INTERVAL if job.interval_seconds is not None and job.anchor_at is not None:
            return IntervalRule(job.interval_seconds, job.anchor_at)
        case Trigger.DATE if job.run_date is not None:
            return DateRule(job.run_date)
        case Trigger.MANUAL:
            return ManualRule()
    raise ValueError(f"a {job.trigger_type!r} trigger lacks what it needs")


def database_now() -> datetime:
    """The database's clock, not the transaction's start."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        row = cursor.fetchone()
    assert row is not None  # noqa: S101 - a SELECT without FROM has one row
    return cast(datetime, row[0])


@dataclass(frozen=True, slots=True)
class Missed:
    """The ticks of `rule` from `start` to `until`, both included: how many, the first and the last."""

    rule: Rule
    start: datetime
    until: datetime
    count: int = 0
    first: datetime | None = None
    last: datetime | None = None


def missed(rule: Rule, start: datetime, until: datetime, known: Missed | None = None) -> Missed:
    """Count the ticks from `start` to `until`.

    A long pause takes a while to count, so services count before they lock and hand the result in as `known`; what is
    the beginning of the same count is then not counted again. Raises ScheduleError, ValueError.
    """
    found = Missed(rule, start, until)
    after = start - _JUST_BEFORE
    if known is not None and (known.rule, known.start) == (rule, start) and known.until <= until:
        found, after = Missed(rule, start, until, known.count, known.first, known.last), known.until
    rest = count_between(rule, after=after, until=until)
    count, first, last = found.count + rest.count, found.first or rest.first, rest.last or found.last
    return Missed(rule, start, until, count, first, last)


def first_after(rule: Rule, *instants: datetime | None) -> datetime | None:
    """The first tick after the latest of the instants that are known, None where there is none."""
    return next_after(rule, max(instant for instant in instants if instant is not None))
