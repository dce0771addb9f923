"""A rule in plain English. Only patterns that read well are worded; the rest is shown as it was written."""

from __future__ import annotations

from datetime import datetime

from apps.jobs.recurrence.rules import CronRule, DateRule, IntervalRule, Rule, Within

_DAYS = ("Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_SHORT_DAYS = {name[:3].upper(): number for number, name in enumerate(_DAYS[:7])}
_MONTHS = (
    "January February March April May June July August September October November December".split()  # noqa: SIM905
)
_SHORT_MONTHS = {name[:3].upper(): number for number, name in enumerate(_MONTHS, start=1)}
_UNITS = ((86_400, "day"), (3_600, "hour"), (60, "minute"), (1, "second"))


def describe(rule: Rule) -> str:
    """One line without a full stop, such as “Every day at 02:30 (Europe/Berlin)”."""
    match rule:
        case CronRule():
            return f"{_cron(rule.expression) or f'Cron {rule.expression}'} ({rule.timezone})"
        case IntervalRule():
            return f"Every {duration(rule.seconds)}"
        case DateRule():
            return f"Once, on {plain_time(rule.at)}"
        case Within():
            ends = ((" from ", rule.start), (" until ", rule.end))
            window = "".join(word + plain_time(end) for word, end in ends if end is not None)
            return f"{describe(rule.rule)},{window}"
        case _:
            return "Only when triggered"


def plain_time(instant: datetime) -> str:
    """“2026-11-24 15:00 UTC”, with seconds where there are any."""
    return f"{instant:%Y-%m-%d %H:%M:%S} UTC" if instant.second else f"{instant:%Y-%m-%d %H:%M} UTC"


def duration(seconds: int) -> str:
    """In the largest unit that divides `seconds`, to follow “every”: “90 seconds”, “15 minutes”, “hour”."""
    # A day of elapsed time is not a calendar day, so 24 hours are not called one.
    size, unit = next((s, u) for s, u in _UNITS if seconds % s == 0 and (u != "day" or seconds > s))
    count = seconds // size
    return unit if count == 1 else f"{count} {unit}s"


def _cron(expression: str) -> str | None:
    minute, hour, day, month, weekday = expression.split()
    days = _which_days(day, month, weekday)
    if days is None:
        return None
    if hour == "*" or hour.startswith("*/") or minute.startswith("*"):
        return _through_the_day(minute, hour) if days == "Every day" else None
    times = _clock_times(minute, hour)
    return None if times is None else f"{days} at {times}"


def _through_the_day(minute: str, hour: str) -> str | None:
    if hour == "*" and (minute == "*" or _divides(minute, 60)):
        return "Every minute" if minute in ("*", "*/1") else f"Every {minute[2:]} minutes"
    if not minute.isdigit():
        return None
    past = "on the hour" if int(minute) == 0 else f"at {int(minute)} past"
    if hour in ("*", "*/1"):
        return f"Every hour, {past}"
    return f"Every {hour[2:]} hours, {past}" if _divides(hour, 24) else None


def _divides(field: str, whole: int) -> bool:
    """Whether `field` is a step that comes out even, so that “every n” is true across the hour or day."""
    step = field.removeprefix("*/")
    return step != field and step.isdigit() and whole % int(step) == 0 and int(step) < whole


def _clock_times(minute: str, hour: str) -> str | None:
    hours = hour.split(",")
    if not minute.isdigit() or not all(part.isdigit() for part in hours) or len(hours) > 4:
        return None
    return _listed([f"{number:02d}:{int(minute):02d}" for number in sorted({int(part) for part in hours})])


def _which_days(day: str, month: str, weekday: str) -> str | None:
    if day == "*" and month == "*":
        return _weekdays(weekday)
    if weekday != "*":
        return None
    if month == "*":
        if day == "L":
            return "On the last day of every month"
        return f"On day {int(day)} of every month" if day.isdigit() else None
    number = _SHORT_MONTHS.get(month) or (int(month) if month.isdigit() else None)
    return f"Every year on {int(day)} {_MONTHS[number - 1]}" if number and day.isdigit() else None


def _weekdays(field: str) -> str | None:
    if field == "*":
        return "Every day"
    ends = [_day_number(part) for part in field.split("-")]
    if len(ends) == 2 and ends[0] is not None and ends[1] is not None:
        return f"{_DAYS[ends[0]]} to {_DAYS[ends[1]]}"
    numbers = [_day_number(part) for part in field.split(",")]
    known = sorted({number % 7 for number in numbers if number is not None})
    return None if None in numbers else f"Every {_listed([_DAYS[number] for number in known])}"


def _day_number(part: str) -> int | None:
    return int(part) if part in "01234567" and part else _SHORT_DAYS.get(part)


def _listed(parts: list[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"
