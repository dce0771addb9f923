"""Raw fields, as an API or a form hands them over, to a rule; or a sentence a person understands.

Field names are those of `jobs.Job`. A sentence quotes a short field at most, never long input.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import islice, pairwise

from apps.jobs.recurrence.errors import ScheduleError
from apps.jobs.recurrence.expression import calendar, canonical
from apps.jobs.recurrence.rules import (
    BareRule,
    CronRule,
    DateRule,
    IntervalRule,
    ManualRule,
    Rule,
    as_utc,
    within,
)
from apps.jobs.recurrence.times import next_after
from apps.jobs.recurrence.wording import duration, plain_time
from apps.jobs.recurrence.zones import zone

__all__ = ["MAX_INTERVAL_SECONDS", "ScheduleError", "validate", "validate_cron"]

MAX_INTERVAL_SECONDS = 10 * 366 * 86_400
SAMPLED_TICKS = 500
# Ticks further apart than this are rarer than any plan's limit; looking on would only cost time.
SAMPLED_SPAN = timedelta(days=2 * 366)
_MAX_TIME_LENGTH = 64


def validate(
    *,
    trigger_type: object,
    now: datetime,
    cron_expression: object = "",
    timezone: object = "UTC",
    interval_seconds: object = None,
    anchor_at: object = None,
    run_date: object = None,
    dst_gap: object = "next_valid",
    dst_overlap: object = "first",
    starts_at: object = None,
    ends_at: object = None,
    min_interval_seconds: int = 0,
    allow_past: bool = False,
) -> Rule:
    """The rule that these fields describe; fields of other triggers are not looked at.

    With `starts_at` or `ends_at` it names no time before or after them, and at least one that is still to come.

    `now` is an aware instant: it anchors an interval without an anchor and a date has to be later, unless
    `allow_past` (an edit of a job whose date has come). `min_interval_seconds` is the plan's; 0 for no limit.
    Times are aware datetimes or ISO 8601 text with an offset. Raises ScheduleError naming the field.
    """
    rule: BareRule
    match trigger_type:
        case "cron":
            rule = validate_cron(
                cron_expression,
                timezone,
                now=now,
                dst_gap=dst_gap,
                dst_overlap=dst_overlap,
                min_interval_seconds=min_interval_seconds,
            )
        case "interval":
            # One without an anchor begins with its window, so that the window's start is a time of it.
            anchor = starts_at if anchor_at in (None, "") else anchor_at
            rule = _interval(interval_seconds, anchor, now, min_interval_seconds)
        case "date":
            rule = _date(run_date, now, allow_past=allow_past)
        case "manual":
            return ManualRule()
        case _:
            raise ScheduleError("trigger_type", "The trigger is one of cron, interval, date or manual.")
    return _windowed(rule, starts_at, ends_at, now, allow_past=allow_past)


def _windowed(rule: BareRule, starts_at: object, ends_at: object, now: datetime, *, allow_past: bool) -> Rule:
    start = None if starts_at in (None, "") else _instant("starts_at", starts_at)
    end = None if ends_at in (None, "") else _instant("ends_at", ends_at)
    if start is not None and end is not None and end <= start:
        raise ScheduleError("ends_at", f"It has to end after it starts, at {plain_time(start)}.")
    whole = within(rule, start, end)
    if whole is not rule and not allow_past and next_after(whole, now) is None:
        field = "starts_at" if end is None else "ends_at"
        if end is not None and end <= now:
            raise ScheduleError(field, f"{plain_time(end)} has passed: it is {plain_time(as_utc(now))}.")
        raise ScheduleError(field, "It would never run: the schedule has no time to come in that window.")
    return whole


def validate_cron(
    cron_expression: object,
    timezone: object,
    *,
    now: datetime,
    dst_gap: object = "next_valid",
    dst_overlap: object = "first",
    min_interval_seconds: int = 0,
) -> CronRule:
    """A cron rule in canonical form that fires again after `now`. Raises ScheduleError."""
    if dst_gap not in ("next_valid", "skip"):
        raise ScheduleError("dst_gap", "What to do with a time that does not exist is next_valid or skip.")
    if dst_overlap not in ("first", "both"):
        raise ScheduleError("dst_overlap", "What to do with a time that comes twice is first or both.")
    rule = CronRule(
        canonical(_text("cron_expression", cron_expression)),
        zone(_text("timezone", timezone)).key,
        dst_gap,
        dst_overlap,
    )
    if next_after(rule, now) is None:
        raise ScheduleError("cron_expression", "It would never run: no date in fifty years matches it.")
    if min_interval_seconds > 60:  # no expression fires more often than once a minute
        _refuse_too_often("cron_expression", _smallest_gap(rule, now), min_interval_seconds)
    return rule


def _interval(seconds: object, anchor: object, now: datetime, least: int) -> IntervalRule:
    if isinstance(seconds, str) and seconds.isascii() and seconds.isdigit() and len(seconds) <= 12:
        seconds = int(seconds)
    if not isinstance(seconds, int) or isinstance(seconds, bool):
        raise ScheduleError("interval_seconds", "An interval is a whole number of seconds.")
    if seconds <= 0:
        raise ScheduleError("interval_seconds", "An interval is at least one second.")
    if seconds > MAX_INTERVAL_SECONDS:
        raise ScheduleError("interval_seconds", "An interval is at most ten years.")
    _refuse_too_often("interval_seconds", seconds, least)
    # A given anchor keeps its fraction of a second: it is how frequent jobs are spread over the second.
    start = as_utc(now).replace(microsecond=0) if anchor in (None, "") else _instant("anchor_at", anchor)
    rule = IntervalRule(seconds, start)
    if next_after(rule, now) is None:
        raise ScheduleError("anchor_at", "It would never run: it starts past the end of the calendar.")
    return rule


def _date(at: object, now: datetime, *, allow_past: bool) -> DateRule:
    if at in (None, ""):
        raise ScheduleError("run_date", "A date is needed, such as 2030-05-01T09:00:00+02:00.")
    rule = DateRule(_instant("run_date", at))
    if rule.at <= now and not allow_past:
        today = plain_time(as_utc(now))
        raise ScheduleError(
            "run_date", f"{plain_time(rule.at)} has passed: it is {today}. Pick a later time."
        )
    return rule


def _text(field: str, value: object) -> str:
    if not isinstance(value, str):
        raise ScheduleError(field, "This has to be text.")
    return value


def _instant(field: str, value: object) -> datetime:
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value.strip()) if len(value) <= _MAX_TIME_LENGTH else None
        except ValueError:
            value = None
    if not isinstance(value, datetime):
        raise ScheduleError(field, "This is not a date and time; write it like 2030-05-01T09:00:00+02:00.")
    if value.utcoffset() is None:
        raise ScheduleError(field, "The time needs its UTC offset, such as +02:00, or Z for UTC.")
    try:
        return value.astimezone(UTC)
    except OverflowError:
        raise ScheduleError(field, "That time lies past the end of the calendar.") from None


def _smallest_gap(rule: CronRule, now: datetime) -> int | None:
    """Seconds between the closest two of the next ticks, by the wall clock; None where no second is near.

    By the wall clock because a clock change may push two ticks together once a year, and the answer must not
    depend on the season in which a job is saved.
    """
    start = now.astimezone(zone(rule.timezone)).replace(tzinfo=None)
    smallest: timedelta | None = None
    for earlier, later in pairwise(islice(calendar(rule.expression).walls_after(start), SAMPLED_TICKS)):
        if smallest is None or later - earlier < smallest:
            smallest = later - earlier
        if smallest <= timedelta(minutes=1) or later - start > SAMPLED_SPAN:
            break
    return None if smallest is None else int(smallest.total_seconds())


def _refuse_too_often(field: str, every: int | None, least: int) -> None:
    if every is not None and every < least:
        raise ScheduleError(
            field, f"It would run every {duration(every)}; your plan allows at most every {duration(least)}."
        )
