"""Runs by minute against a count that walks each job's times one by one, and what jitter makes of a peak."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from itertools import accumulate
from typing import NamedTuple

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from apps.jobs.forecast.counting import Group, forecast_of
from apps.jobs.forecast.curve import OPTIONS, Option, suggested
from apps.jobs.forecast.progressions import Progressions
from apps.jobs.jitter import delay
from apps.jobs.plans import Blackout
from apps.jobs.recurrence.rules import BareRule, CronRule, DateRule, IntervalRule, Within, within
from apps.jobs.recurrence.times import next_after, occurrences
from tests.properties import looking
from tests.recurrences import MINUTE, cron_rules

pytestmark = pytest.mark.same_on_every_postgres
INSTANT, SECOND, HOUR = timedelta(microseconds=1), timedelta(seconds=1), timedelta(hours=1)
START = datetime(2026, 10, 24, 23, 0, tzinfo=UTC)  # two hours before clocks are set back in Europe
near = st.integers(-2 * 3600 * 10**6, 4 * 3600 * 10**6).map(lambda number: START + number * INSTANT)
full_seconds = near.map(lambda instant: instant.replace(microsecond=0))
common_rules = st.builds(
    CronRule,
    st.sampled_from(["* * * * *", "*/5 * * * *", "0 * * * *", "30 1-3 * * *", "7,9,41 */2 * * *"]),
    st.sampled_from(["UTC", "Europe/Berlin", "Asia/Kathmandu"]),
)
rules: st.SearchStrategy[BareRule] = st.one_of(
    common_rules,
    cron_rules,
    st.builds(IntervalRule, st.sampled_from([7, 30, 45, 60, 90, 300, 301, 900, 3600, 5000]), near),
    st.builds(DateRule, near),
)
windows = st.tuples(st.none() | near, st.none() | near)


@st.composite
def blackouts(draw: st.DrawFn) -> tuple[Blackout, ...]:
    ends = sorted(draw(st.lists(st.one_of(near, full_seconds), max_size=6, unique=True)))
    return tuple(Blackout(*pair) for pair in zip(ends[::2], ends[1::2], strict=False))


@st.composite
def groups(draw: st.DrawFn) -> Group:
    rule, (start, end) = draw(rules), draw(windows)
    assume(start is None or end is None or start <= end)
    jitter = draw(st.sampled_from([0, 0, 20, 60, 90, 1200, 5000]))
    ids = tuple(draw(st.lists(st.integers(1, 2**40), min_size=1, max_size=4, unique=True)))
    return Group(
        within(rule, start, end),
        len(ids),
        ids if jitter else (),
        jitter,
        draw(st.none() | near),
        draw(blackouts()),
    )


class Run(NamedTuple):
    """Where one run starts, and how far its jitter could move it. In seconds after START, but for `jitter`."""

    tick: int
    start: float
    gap: float
    jitter: int


def walked(group: Group, minutes: int) -> list[Run]:
    """Job by job and time by time, as the dispatcher has it."""
    runs, until = [], START + minutes * MINUTE
    ticks = occurrences(group.rule, after=START - 2 * HOUR, until=until, limit=100_000)
    for tick in ticks:
        if group.not_before is not None and tick < group.not_before:
            continue
        if any(one.start <= tick < one.end for one in group.blackouts):
            continue
        following = next_after(group.rule, tick)
        gap = float("inf") if following is None else (following - tick).total_seconds()
        for job_id in group.job_ids or range(group.n):
            late = timedelta(seconds=delay(job_id, group.rule, tick, group.jitter_seconds))
            if START <= tick + late < until:
                start = (tick + late - START).total_seconds()
                runs.append(Run((tick - START) // SECOND, start, gap, group.jitter_seconds))
    return runs


def spread(runs: list[Run], jitter: int, minutes: int) -> list[Fraction]:
    """What is expected in each minute, second by second for each run."""
    found = [Fraction(0)] * minutes
    for run in runs:
        whole = int(min(jitter, run.gap) // 60) * 60
        if whole <= min(run.jitter, run.gap):
            found[int(run.start // 60)] += 1
            continue
        for second in range(run.tick, run.tick + whole):
            found[second // 60 % minutes] += Fraction(1, whole)
    return found


class TestForecast:
    @given(st.lists(groups(), min_size=1, max_size=4), st.sampled_from([60, 120]))
    @looking(150)
    def test_starts_are_those_of_a_walk(self, given: list[Group], minutes: int) -> None:
        found = forecast_of(given, start=START, minutes=minutes)
        expected = Counter(int(run.start // 60) for group in given for run in walked(group, minutes))
        assert found.curve.starts() == [expected[minute] for minute in range(minutes)]
        assert (found.jobs, found.left_out) == (sum(group.n for group in given), 0)

    @given(st.lists(groups(), min_size=1, max_size=3), st.sampled_from(OPTIONS[:4]))
    @looking(40)
    def test_flattened_is_what_is_expected_of_each_run(self, given: list[Group], jitter: int) -> None:
        runs = [run for group in given for run in walked(group, 60)]
        found = forecast_of(given, start=START, minutes=60).curve.flattened(jitter)
        assert sum(found) == len(runs)
        assert min(found) >= 0
        for reached, exact in zip(accumulate(found), accumulate(spread(runs, jitter, 60)), strict=True):
            assert abs(reached - exact) <= Fraction(1, 2) + Fraction(1, 10**6)

    @given(st.lists(groups(), min_size=1, max_size=3))
    @looking(40)
    def test_no_option_loses_a_run_and_none_is_what_there_is(self, given: list[Group]) -> None:
        curve = forecast_of(given, start=START, minutes=120).curve
        assert curve.flattened(0) == curve.starts()
        assert {sum(curve.flattened(jitter)) for jitter in OPTIONS} == {sum(curve.starts())}

    @pytest.mark.parametrize("rule", ["0 0 * * *", "*/5 * * * *"])
    def test_hashed_jitter_does_what_is_expected_of_it(self, rule: str) -> None:
        ids = tuple(range(1, 6001))
        cron = CronRule(rule, "UTC")
        expected = forecast_of([Group(cron, 6000)], start=START, minutes=120).curve.flattened(900)
        hashed = forecast_of([Group(cron, 6000, ids, 900)], start=START, minutes=120).curve.starts()
        assert max(expected) < 6000 / 4
        # Of every five minutes the first is a part apart: what began before the window runs into it.
        for minute in range(15, 120):
            assert abs(hashed[minute] - expected[minute]) <= 20

    def test_a_window_that_ends_sets_the_last_run_free(self) -> None:
        """After the last time there is no next one that jitter has to stay before."""
        rule = Within(IntervalRule(60, START), None, START + 5 * MINUTE)
        ids = tuple(range(1, 200))
        found = forecast_of([Group(rule, 199, ids, 1800)], start=START, minutes=60).curve.starts()
        assert found[:5] == [199] * 5
        assert sum(found[5:]) == 199
        assert sum(1 for count in found[5:] if count) > 25


class TestBounds:
    def test_what_there_is_no_room_for_is_counted(self) -> None:
        many = Group(CronRule("* * * * *", "UTC"), 50)
        few = [Group(CronRule(f"{minute} 0 * * *", "UTC"), 2) for minute in range(60)]
        found = forecast_of([*few, many], start=START, minutes=120, most_walked=300)
        assert 50 < found.jobs < 170
        assert found.jobs + found.left_out == 170
        assert found.curve.starts()[30] >= 50  # those with the most jobs come first

    def test_looking_at_known_times_again_takes_room_as_well(self) -> None:
        """Else ten thousand windows of one rule would be ten thousand times its times."""
        rule = CronRule("* * * * *", "UTC")
        windows = [Group(Within(rule, None, START + n * HOUR), 1) for n in range(2, 202)]
        found = forecast_of(windows, start=START, minutes=120, most_walked=300)
        assert 1 < found.jobs < 50
        assert found.jobs + found.left_out == 200

    def test_a_schedule_that_nobody_can_read_is_left_out(self) -> None:
        broken = [Group(CronRule("0 0 * * *", "Mars/Olympus"), 3), Group(CronRule("nonsense", "UTC"), 4)]
        found = forecast_of([*broken, Group(DateRule(START), 1)], start=START, minutes=60)
        assert (found.jobs, found.left_out, sum(found.curve.starts())) == (1, 7, 1)

    def test_intervals_of_one_length_cost_no_more_than_its_seconds(self) -> None:
        half = [Group(IntervalRule(300, START + number * SECOND / 7), 1) for number in range(2100)]
        curve = forecast_of(half, start=START, minutes=1440)
        assert curve.left_out == 0
        assert len(set(curve.curve.starts()[5:])) == 1

    def test_progressions_have_room_for_so_many_steps(self) -> None:
        lane = forecast_of([], start=START, minutes=60).curve.lane(10, 0)
        made = Progressions(most=40)
        made.add(lane, 0, 0, 10, 30, 1)
        made.add(lane, 0, 0, 10, 30, 1)  # the same ones: nothing more to lay out
        assert made.has_room()
        made.add(lane, 10**6, 0, 10, 30, 1)
        assert not made.has_room()


class TestSuggestion:
    @pytest.mark.parametrize(
        ("peaks", "jitter"),
        [
            ((1000, 1000, 200, 120, 67, 34, 17), 900),  # 933 of 983
            ((1000, 1000, 200, 100, 67, 34, 17), 600),
            ((10, 10, 10, 10, 10, 10, 10), 0),
            ((100, 98, 97, 95, 93, 92, 91), 0),  # not even a tenth
            ((2, 1, 1, 1, 1, 1, 1), 0),  # one run less a minute is nothing
            ((3, 3, 1, 1, 1, 1, 1), 300),
            ((500, 250, 250, 250, 250, 250, 250), 60),
            ((0, 0, 0, 0, 0, 0, 0), 0),
        ],
    )
    def test_the_smallest_with_most_of_the_gain(self, peaks: tuple[int, ...], jitter: int) -> None:
        assert suggested([Option(*pair) for pair in zip(OPTIONS, peaks, strict=True)]) == jitter

    def test_jobs_at_midnight_are_told_to_spread_and_those_every_minute_are_not(self) -> None:
        midnight = forecast_of([Group(CronRule("0 0 * * *", "UTC"), 900)], start=START, minutes=1440).curve
        assert [option.peak for option in midnight.options()] == [900, 900, 180, 90, 60, 30, 15]
        assert suggested(midnight.options()) == 600
        minutely = forecast_of([Group(CronRule("* * * * *", "UTC"), 900)], start=START, minutes=1440).curve
        assert {option.peak for option in minutely.options()} == {900}
        assert suggested(minutely.options()) == 0
