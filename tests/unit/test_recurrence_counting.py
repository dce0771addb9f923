"""Counting a long span gives what walking it gives, across every kind of clock change, and takes no time."""

from __future__ import annotations

import random
import time
from datetime import UTC, datetime, timedelta

import pytest

from apps.jobs.recurrence.counting import Counted, count_between
from apps.jobs.recurrence.rules import CronRule, IntervalRule, within
from apps.jobs.recurrence.times import occurrences

pytestmark = pytest.mark.same_on_every_postgres

DAY = timedelta(days=1)
ZONES = {
    "UTC": datetime(2026, 3, 1, tzinfo=UTC),
    "America/New_York": datetime(2026, 3, 1, tzinfo=UTC),
    "Australia/Lord_Howe": datetime(2026, 3, 28, tzinfo=UTC),  # by half an hour
    "America/Sao_Paulo": datetime(2018, 10, 28, tzinfo=UTC),  # at midnight
    "America/Santiago": datetime(2026, 8, 30, tzinfo=UTC),  # to midnight and back over it
    "Africa/Casablanca": datetime(2026, 2, 10, tzinfo=UTC),  # twice within weeks
    "Pacific/Apia": datetime(2011, 12, 24, tzinfo=UTC),  # left out a day
    "America/Juneau": datetime(1983, 10, 25, tzinfo=UTC),
}
EXPRESSIONS = [
    "* * * * *",
    "*/7 * * * *",
    "30 * * * *",
    "30 2 * * *",
    "0 0 * * *",
    "15 0,23 * * 1-5",
    "30 23 31 * *",
]


def walked(rule: object, after: datetime, until: datetime) -> Counted:
    ticks = occurrences(rule, after=after, until=until, limit=200_000)  # type: ignore[arg-type]
    return Counted(len(ticks), ticks[0], ticks[-1]) if ticks else Counted()


@pytest.mark.parametrize("name", ZONES)
def test_counting_is_walking(name: str) -> None:
    dice = random.Random(name)
    for expression in EXPRESSIONS:
        for gap, overlap in (("next_valid", "first"), ("skip", "both"), ("next_valid", "both")):
            rule = CronRule(expression, name, gap, overlap)  # type: ignore[arg-type]
            after = ZONES[name] + timedelta(seconds=dice.randrange(10 * 86_400))
            until = after + timedelta(seconds=dice.randrange(4 * 86_400, 25 * 86_400))
            assert count_between(rule, after=after, until=until) == walked(rule, after, until), rule


def test_a_window_bounds_what_is_counted() -> None:
    start = datetime(2026, 3, 1, tzinfo=UTC)
    rule = within(CronRule("0 * * * *", "UTC"), start + DAY, start + 20 * DAY)
    assert count_between(rule, after=start, until=start + 30 * DAY).count == 19 * 24 + 1
    assert count_between(rule, after=start + 20 * DAY, until=start + 30 * DAY) == Counted()
    assert count_between(rule, after=start - 9 * DAY, until=start) == Counted()


def test_a_year_of_minutes_and_ten_of_seconds_take_no_time() -> None:
    start = datetime(2024, 1, 1, tzinfo=UTC)
    began = time.perf_counter()
    year = count_between(CronRule("* * * * *", "Europe/Berlin"), after=start, until=start + 366 * DAY)
    seconds = count_between(IntervalRule(1, start), after=start, until=start + 3_653 * DAY)
    assert time.perf_counter() - began < 1
    assert (year.count, year.last) == (366 * 1_440, start + 366 * DAY)
    assert seconds.count == 3_653 * 86_400
