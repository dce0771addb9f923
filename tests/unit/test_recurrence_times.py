"""Golden instants around clock changes and calendar corners, and how missed ticks are accounted for."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from apps.jobs.recurrence.errors import ScheduleError
from apps.jobs.recurrence.rules import CronRule, DateRule, IntervalRule, ManualRule, Within, within
from apps.jobs.recurrence.times import Ticks, next_after, occurrences, ticks_between

pytestmark = pytest.mark.same_on_every_postgres


def local_ticks(rule: CronRule, start: str, count: int) -> list[str]:
    """The next ticks as local ISO times without seconds, from a local wall time."""
    tz = ZoneInfo(rule.timezone)
    after = datetime.fromisoformat(start).replace(tzinfo=tz).astimezone(UTC)
    ticks = occurrences(rule, after=after, limit=count)
    return [tick.astimezone(tz).isoformat(timespec="minutes") for tick in ticks]


BERLIN_GAP = "2026-03-28T12:00"  # 29 March: 02:00 becomes 03:00
BERLIN_OVERLAP = "2026-10-24T12:00"  # 25 October: 03:00 becomes 02:00


@pytest.mark.parametrize(
    ("expression", "zone", "start", "expected"),
    [
        ("30 2 * * *", "Europe/Berlin", BERLIN_GAP, ["2026-03-29T03:00+02:00", "2026-03-30T02:30+02:00"]),
        ("30 2 * * *", "Europe/Berlin", BERLIN_OVERLAP, ["2026-10-25T02:30+02:00", "2026-10-26T02:30+01:00"]),
        # Two readings in one gap, and one on its far edge, are one instant and so one tick.
        ("0,30 2,3 * * *", "Europe/Berlin", BERLIN_GAP, ["2026-03-29T03:00+02:00", "2026-03-29T03:30+02:00"]),
        (
            "0 * * * *",
            "Europe/Berlin",
            "2026-03-29T00:30",
            ["2026-03-29T01:00+01:00", "2026-03-29T03:00+02:00"],
        ),
        (
            "0 * * * *",
            "Europe/Berlin",
            "2026-10-25T01:30",
            ["2026-10-25T02:00+02:00", "2026-10-25T02:00+01:00", "2026-10-25T03:00+01:00"],
        ),
        # Stars follow the clock: nothing is moved out of the gap.
        ("*/30 2 * * *", "Europe/Berlin", BERLIN_GAP, ["2026-03-30T02:00+02:00", "2026-03-30T02:30+02:00"]),
        ("30 2 * * *", "America/New_York", "2026-03-07T12:00", ["2026-03-08T03:00-04:00"]),
        (
            "30 1 * * *",
            "America/New_York",
            "2026-10-31T12:00",
            ["2026-11-01T01:30-04:00", "2026-11-02T01:30-05:00"],
        ),
        ("15 2 * * *", "Australia/Lord_Howe", "2026-10-03T12:00", ["2026-10-04T02:30+11:00"]),
        # A half-hour change leaves 02:36 on the clock, so the hourly rule keeps it.
        (
            "36 * * * *",
            "Australia/Lord_Howe",
            "2026-10-04T01:00",
            ["2026-10-04T01:36+10:30", "2026-10-04T02:36+11:00"],
        ),
        (
            "0 12 * * *",
            "Pacific/Apia",
            "2011-12-29T11:00",
            ["2011-12-29T12:00-10:00", "2011-12-31T00:00+14:00"],
        ),
        (
            "0 12 30 12 *",
            "Pacific/Apia",
            "2011-12-28T00:00",
            ["2011-12-31T00:00+14:00", "2012-12-30T12:00+14:00"],
        ),
        # Midnight itself does not exist in Havana when summer begins.
        (
            "0 0 * * *",
            "America/Havana",
            "2026-03-07T12:00",
            ["2026-03-08T01:00-04:00", "2026-03-09T00:00-04:00"],
        ),
    ],
)
def test_clock_changes_follow_debian_cron(
    expression: str, zone: str, start: str, expected: list[str]
) -> None:
    assert local_ticks(CronRule(expression, zone), start, len(expected)) == expected


def test_a_gap_can_be_skipped() -> None:
    rule = CronRule("30 2 * * *", "Europe/Berlin", dst_gap="skip")
    assert local_ticks(rule, BERLIN_GAP, 1) == ["2026-03-30T02:30+02:00"]


def test_a_repeated_time_can_run_twice() -> None:
    rule = CronRule("15,30 2 * * *", "Europe/Berlin", dst_overlap="both")
    expected = ["25T02:15+02:00", "25T02:30+02:00", "25T02:15+01:00", "25T02:30+01:00", "26T02:15+01:00"]
    assert local_ticks(rule, BERLIN_OVERLAP, 5) == [f"2026-10-{rest}" for rest in expected]


def test_the_second_copy_of_an_hour_does_not_look_back() -> None:
    # 01:15 UTC is 02:15 for the second time; a naive search would answer 02:30 for the first time, in the past.
    second_copy = datetime(2026, 10, 25, 1, 15, tzinfo=UTC)
    found = next_after(CronRule("30 2 * * *", "Europe/Berlin"), second_copy)
    assert found == datetime(2026, 10, 26, 1, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("expression", "start", "expected"),
    [
        # A star in either day field makes both count (“and”); otherwise either does (“or”).
        ("0 0 */2 * 1", "2026-11-01T00:00", ["2026-11-09", "2026-11-23", "2026-12-07"]),
        ("0 0 1,15 * 1", "2026-11-01T00:00", ["2026-11-02", "2026-11-09", "2026-11-15", "2026-11-16"]),
        ("0 0 29 2 *", "2096-03-01T00:00", ["2104-02-29"]),
        ("0 0 31 * *", "2026-01-31T00:00", ["2026-03-31", "2026-05-31", "2026-07-31", "2026-08-31"]),
        ("0 0 * 2 MON#5", "2026-01-01T00:00", ["2044-02-29", "2072-02-29"]),
        # A range of one value is that value, whatever its step.
        ("0 0 4-4/9 * *", "2026-01-01T00:00", ["2026-01-04", "2026-02-04"]),
        ("0 0 * * MON-MON/2", "2026-11-01T00:00", ["2026-11-02", "2026-11-09"]),
        ("0 0 4/9 * *", "2026-01-01T00:00", ["2026-01-04", "2026-01-13", "2026-01-22", "2026-01-31"]),
        ("0 0 L 2 *", "2026-01-01T00:00", ["2026-02-28", "2027-02-28", "2028-02-29"]),
    ],
)
def test_calendar_corners(expression: str, start: str, expected: list[str]) -> None:
    ticks = local_ticks(CronRule(expression, "UTC"), start, len(expected))
    assert [tick[:10] for tick in ticks] == expected


def test_dates_and_manual_rules() -> None:
    at = datetime(2030, 1, 1, tzinfo=UTC)
    assert next_after(DateRule(at), at - timedelta(microseconds=1)) == at
    assert next_after(DateRule(at), at) is None
    assert next_after(ManualRule(), at) is None
    assert ticks_between(ManualRule(), after=at, until=at + timedelta(days=9)) == Ticks()
    assert ticks_between(DateRule(at), after=at - timedelta(days=1), until=at) == Ticks(1, at, at)


def test_naive_instants_are_refused() -> None:
    with pytest.raises(ValueError, match="UTC offset"):
        next_after(CronRule("* * * * *", "UTC"), datetime(2026, 1, 1))  # noqa: DTZ001 - the point
    with pytest.raises(ValueError, match="UTC offset"):
        IntervalRule(60, datetime(2026, 1, 1))  # noqa: DTZ001 - the point


@pytest.mark.parametrize(
    ("expression", "zone"), [("* * * * * *", "UTC"), ("x", "UTC"), ("* * * * *", "Mars/Olympus")]
)
def test_a_spoilt_rule_says_so_instead_of_firing(expression: str, zone: str) -> None:
    with pytest.raises(ScheduleError):
        next_after(CronRule(expression, zone), datetime(2026, 1, 1, tzinfo=UTC))


def test_the_end_of_the_calendar_is_none() -> None:
    end = datetime.max.replace(tzinfo=UTC)
    assert next_after(CronRule("* * * * *", "Pacific/Kiritimati"), end) is None
    assert next_after(IntervalRule(60, datetime(2026, 1, 1, tzinfo=UTC)), end) is None


def test_three_days_without_a_leader_are_accounted_for() -> None:
    down = datetime(2026, 3, 28, 12, 0, 30, tzinfo=UTC)
    missed = ticks_between(
        CronRule("* * * * *", "Europe/Berlin"), after=down, until=down + timedelta(days=3), tail=2
    )
    minute = timedelta(minutes=1)
    last = datetime(2026, 3, 31, 12, 0, tzinfo=UTC)
    assert missed == Ticks(3 * 1440, last - timedelta(days=3) + minute, last, (last - minute, last))


def test_a_year_of_seconds_is_arithmetic() -> None:
    anchor = datetime(2026, 1, 1, tzinfo=UTC)
    second = timedelta(seconds=1)
    year = timedelta(days=365)
    missed = ticks_between(IntervalRule(1, anchor), after=anchor, until=anchor + year, limit=10, tail=2)
    assert missed == Ticks(
        365 * 86_400, anchor + second, anchor + year, (anchor + year - second, anchor + year)
    )


def test_a_walk_stops_at_its_limit_and_goes_on_from_there() -> None:
    rule = CronRule("*/7 * * * *", "Europe/Berlin")
    after, until = datetime(2026, 10, 24, tzinfo=UTC), datetime(2026, 10, 27, tzinfo=UTC)
    counts, position, truncated = [], after, True
    while truncated:
        part = ticks_between(rule, after=position, until=until, limit=100)
        counts.append(part.count)
        truncated = part.truncated
        position = part.last or position
    whole = ticks_between(rule, after=after, until=until)
    assert counts[:-1] == [100] * (len(counts) - 1)
    assert len(counts) > 2
    assert (sum(counts), position, whole.truncated) == (whole.count, whole.last, False)


def test_a_span_of_exactly_the_limit_is_not_truncated() -> None:
    after = datetime(2026, 1, 1, tzinfo=UTC)
    part = ticks_between(
        CronRule("* * * * *", "UTC"), after=after, until=after + timedelta(minutes=5), limit=5
    )
    assert (part.count, part.truncated) == (5, False)


WINDOW_START, WINDOW_END = datetime(2026, 6, 1, 10, tzinfo=UTC), datetime(2026, 6, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)


@pytest.mark.parametrize("rule", [CronRule("0 * * * *", "UTC"), IntervalRule(3600, WINDOW_START - 10 * DAY)])
def test_both_ends_of_a_window_are_times_of_it(rule: CronRule | IntervalRule) -> None:
    hours = [WINDOW_START + timedelta(hours=hour) for hour in range(3)]
    bounded = Within(rule, WINDOW_START, WINDOW_END)

    assert occurrences(bounded, after=WINDOW_START - DAY, limit=9) == hours
    assert next_after(bounded, WINDOW_START - DAY) == hours[0]
    assert next_after(bounded, hours[0]) == hours[1]
    assert next_after(bounded, WINDOW_END) is None
    assert ticks_between(bounded, after=WINDOW_START - DAY, until=WINDOW_END + DAY, tail=2) == Ticks(
        3, hours[0], hours[2], (hours[1], hours[2])
    )
    assert ticks_between(bounded, after=WINDOW_END, until=WINDOW_END + DAY) == Ticks()


def test_a_microsecond_beside_a_time_a_window_leaves_it_out() -> None:
    rule, instant = CronRule("0 * * * *", "UTC"), timedelta(microseconds=1)
    bounded = Within(rule, WINDOW_START + instant, WINDOW_END - instant)

    assert occurrences(bounded, after=WINDOW_START - DAY, limit=9) == [WINDOW_START + timedelta(hours=1)]


def test_half_a_window_and_none() -> None:
    rule = CronRule("0 * * * *", "UTC")

    assert next_after(Within(rule, WINDOW_START), WINDOW_START - DAY) == WINDOW_START
    assert next_after(Within(rule, None, WINDOW_END), WINDOW_END - timedelta(minutes=1)) == WINDOW_END
    assert within(rule, None, None) is rule
    assert within(ManualRule(), WINDOW_START, WINDOW_END) == ManualRule()
    with pytest.raises(ValueError, match="UTC offset"):
        Within(rule, datetime(2026, 6, 1))  # noqa: DTZ001
