"""The laws that every rule keeps, near clock changes above all, and an independent reading of the wall clock."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apps.jobs.recurrence.rules import CronRule, DateRule, IntervalRule, Rule
from apps.jobs.recurrence.times import Ticks, next_after, occurrences, ticks_between

pytestmark = pytest.mark.same_on_every_postgres

ZONES = [
    "UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Pacific/Apia",
    "America/Havana", "Asia/Beirut", "Africa/Cairo", "America/Sao_Paulo", "Atlantic/Azores",
]  # fmt: skip


def field(low: int, high: int) -> st.SearchStrategy[str]:
    number = st.integers(low, high)
    return st.one_of(
        st.just("*"),
        st.integers(2, high // 2).map(lambda step: f"*/{step}"),
        st.lists(number, min_size=1, max_size=4, unique=True).map(lambda ns: ",".join(map(str, sorted(ns)))),
    )


cron_rules = st.builds(
    lambda minute, hour, day, weekday, zone, gap, overlap: CronRule(
        f"{minute} {hour} {day} * {weekday}", zone, gap, overlap
    ),
    field(0, 59),
    st.one_of(field(0, 23), st.sampled_from(["0", "1,2", "2", "0-3", "23"])),
    st.one_of(st.just("*"), field(1, 28)),
    st.one_of(st.just("*"), field(0, 6)),
    st.sampled_from(ZONES),
    st.sampled_from(["next_valid", "skip"]),
    st.sampled_from(["first", "both"]),
)
# Whole years that hold every zone's changes, Apia's lost day among them.
instants = st.datetimes(datetime(2009, 1, 1), datetime(2028, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
interval_rules = st.builds(IntervalRule, st.integers(1, 200_000), instants)
rules: st.SearchStrategy[Rule] = st.one_of(cron_rules, interval_rules, st.builds(DateRule, instants))


def transitions(zone: str, year: int) -> list[datetime]:
    """The hours of a year in which the zone's offset changes."""
    tz = ZoneInfo(zone)
    hours = [datetime(year, 1, 1, tzinfo=UTC) + timedelta(hours=n) for n in range(8760)]
    return [
        b
        for a, b in itertools.pairwise(hours)
        if a.astimezone(tz).utcoffset() != b.astimezone(tz).utcoffset()
    ]


CHANGES = {zone: transitions(zone, 2011) + transitions(zone, 2017) for zone in ZONES}


@st.composite
def near_changes(draw: st.DrawFn) -> tuple[CronRule, datetime]:
    """A cron rule and an instant within a day of a clock change of its zone."""
    rule = draw(cron_rules)
    change = draw(st.sampled_from(CHANGES[rule.timezone] or [datetime(2017, 1, 1, tzinfo=UTC)]))
    return rule, change + timedelta(seconds=draw(st.integers(-86_400, 86_400)))


@given(st.one_of(near_changes(), st.tuples(rules, instants)), st.floats(0, 1, exclude_max=True))
@settings(max_examples=150, deadline=None)
def test_ticks_ascend_and_next_is_constant_between_two(case: tuple[Rule, datetime], part: float) -> None:
    rule, start = case
    ticks = occurrences(rule, after=start, limit=12)
    assert all(tick.tzinfo is UTC for tick in ticks)
    assert all(earlier < later for earlier, later in itertools.pairwise([start, *ticks]))
    for earlier, later in itertools.pairwise([start, *ticks]):
        between = min(earlier + (later - earlier) * part, later - timedelta(microseconds=1))
        assert next_after(rule, between) == later


@given(near_changes())
@settings(max_examples=50, deadline=None)
def test_every_tick_is_on_the_wall_clock_or_at_the_end_of_a_gap(case: tuple[CronRule, datetime]) -> None:
    """Against separate code: walk all minutes of two days and read the clock at each."""
    rule, start = case
    tz = ZoneInfo(rule.timezone)
    minute, hour, day, _, weekday = rule.expression.split()
    star = minute.startswith("*") or hour.startswith("*")
    both_days = day.startswith("*") or weekday.startswith("*")

    def named(wall: datetime) -> bool:
        on_day, on_weekday = holds(day, wall.day, 1), holds(weekday, (wall.weekday() + 1) % 7, 0)
        at = holds(minute, wall.minute, 0) and holds(hour, wall.hour, 0)
        return at and ((on_day and on_weekday) if both_days else (on_day or on_weekday))

    expected = set()
    instant = start.replace(second=0, microsecond=0) + timedelta(minutes=1)
    before = (instant - timedelta(minutes=1)).astimezone(tz).replace(tzinfo=None)
    for offset in range(2 * 1440):
        now = instant + timedelta(minutes=offset)
        local = now.astimezone(tz)
        wall = local.replace(tzinfo=None, fold=0)
        if named(wall) and (star or rule.dst_overlap == "both" or local.fold == 0):
            expected.add(now)
        if not star and rule.dst_gap == "next_valid":
            lost = int((wall - before) / timedelta(minutes=1))
            if any(named(before + timedelta(minutes=n)) for n in range(1, lost)):
                expected.add(now)
        before = wall
    found = []
    for tick in occurrences(rule, after=start, limit=6000):
        if tick >= instant + timedelta(days=2):
            break
        found.append(tick)
    assert found == sorted(expected)


def holds(spec: str, value: int, low: int) -> bool:
    """Whether a cron field of the shapes drawn above holds a value."""
    if spec == "*":
        return True
    if spec.startswith("*/"):
        return (value - low) % int(spec[2:]) == 0
    if "-" in spec:
        first, last = spec.split("-")
        return int(first) <= value <= int(last)
    return value in map(int, spec.split(","))


@given(st.one_of(near_changes(), st.tuples(interval_rules, instants)), st.integers(1, 40), st.integers(0, 5))
@settings(max_examples=100, deadline=None)
def test_counting_a_span_equals_walking_it(case: tuple[Rule, datetime], count: int, tail: int) -> None:
    rule, after = case
    walked = [after]
    for _ in range(count):
        tick = next_after(rule, walked[-1])
        assert tick is not None
        walked.append(tick)
    ticks = tuple(walked[1:])
    found = ticks_between(rule, after=after, until=ticks[-1], tail=tail)
    assert found == Ticks(count, ticks[0], ticks[-1], ticks[max(0, count - tail) :])
    assert occurrences(rule, after=after, until=ticks[-1], limit=count + 1) == list(ticks)
