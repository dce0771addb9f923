"""The laws that every rule keeps, near clock changes above all, and an independent reading of the wall clock."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from apps.executions.states import SkipReason
from apps.jobs.calendars.entries import blackouts_of
from apps.jobs.planning import Policy, plan_ticks
from apps.jobs.recurrence.counting import Counted, count_between
from apps.jobs.recurrence.errors import ScheduleError
from apps.jobs.recurrence.preview import preview
from apps.jobs.recurrence.rules import CronRule, DateRule, IntervalRule, Rule, Within
from apps.jobs.recurrence.times import Ticks, next_after, occurrences, ticks_between
from tests.properties import looking
from tests.recurrences import DAY, MINUTE, ZONES, Reading, cron_rules, instants, near_changes, offset

pytestmark = pytest.mark.same_on_every_postgres
INSTANT = timedelta(microseconds=1)
# Long before there were zones, when clocks were set by seconds, and as far as calendars go.
ages = st.datetimes(datetime(1850, 1, 1), datetime(9000, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
interval_rules = st.builds(IntervalRule, st.integers(1, 200_000), instants)
rules: st.SearchStrategy[Rule] = st.one_of(cron_rules, interval_rules, st.builds(DateRule, instants))
cases = st.one_of(near_changes(), st.tuples(rules, instants), st.tuples(cron_rules, ages))


def some(rule: Rule, after: datetime, limit: int, until: datetime | None = None) -> list[datetime]:
    """Its next ticks; a rule that names no date at all is none."""
    try:
        return occurrences(rule, after=after, limit=limit, until=until)
    except ScheduleError as error:
        assume("would never run" not in error.sentence)
        raise


@given(cases, st.floats(0, 1, exclude_max=True))
@looking(150)
def test_ticks_ascend_and_next_is_constant_between_two(case: tuple[Rule, datetime], part: float) -> None:
    rule, start = case
    ticks = some(rule, start, 12)
    assert all(tick.tzinfo is UTC for tick in ticks)
    assert all(earlier < later for earlier, later in itertools.pairwise([start, *ticks]))
    for earlier, later in itertools.pairwise([start, *ticks]):
        between = min(earlier + (later - earlier) * part, later - INSTANT)
        assert next_after(rule, between) == later


def by_the_minute(rule: CronRule, start: datetime, days: int) -> list[datetime]:
    """Against separate code: walk all minutes of some days and read the clock at each."""
    tz, when = ZoneInfo(rule.timezone), Reading(rule.expression)
    expected = []
    instant = start.replace(second=0, microsecond=0) + MINUTE
    before = (instant - MINUTE).astimezone(tz).replace(tzinfo=None)
    for number in range(days * 1440):
        now = instant + number * MINUTE
        local = now.astimezone(tz)
        wall = local.replace(tzinfo=None, fold=0)
        moved = not when.follows_clock and rule.dst_gap == "next_valid" and when.between(before, wall)
        repeats = when.follows_clock or rule.dst_overlap == "both" or local.fold == 0
        if moved or (when.names(wall) and repeats):
            expected.append(now)
        before = wall
    return expected


@given(st.one_of(near_changes(), st.tuples(cron_rules, instants)))
@looking(60)
def test_every_tick_is_on_the_wall_clock_or_at_the_end_of_a_gap(case: tuple[CronRule, datetime]) -> None:
    rule, start = case
    until = start.replace(second=0, microsecond=0) + 2 * DAY
    expected = by_the_minute(rule, start, 2)
    assert some(rule, start, 6000, until) == expected
    following = next_after(rule, start)
    assert following == expected[0] if expected else following is None or following > until


@given(near_changes(), st.integers(1, 20))
@looking(50)
def test_preview_is_what_comes_and_marks_what_a_clock_change_does_to_it(
    case: tuple[CronRule, datetime], count: int
) -> None:
    rule, now = case
    ticks = some(rule, now, count)
    runs = preview(rule, now, count)
    assert [run.instant for run in runs] == ticks
    tz, when = ZoneInfo(rule.timezone), Reading(rule.expression)
    for run in runs:
        local = run.instant.astimezone(tz)
        assert datetime.fromisoformat(run.local) == run.instant
        before = (run.instant - MINUTE).astimezone(tz).replace(tzinfo=None)
        moved = not when.follows_clock and when.between(before, local.replace(tzinfo=None))
        twice = offset(local.replace(fold=0), tz) > offset(local.replace(fold=1), tz)
        if moved and rule.dst_gap == "next_valid":
            assert run.transition == "gap"
        else:
            first = local.replace(fold=0).utcoffset()
            second = local.replace(fold=1).utcoffset()
            assert first is not None
            assert second is not None
            assert run.transition == ("overlap" if first > second else None), twice
        assert bool(run.note) == (run.transition is not None)


@given(interval_rules, instants)
@looking(100)
def test_intervals_keep_their_beat_from_their_anchor_on(rule: IntervalRule, after: datetime) -> None:
    step = timedelta(seconds=rule.seconds)
    for tick in occurrences(rule, after=after, limit=5):
        assert tick > after
        assert (tick - rule.anchor) % step == timedelta(0)
        assert tick == rule.anchor or tick - step >= rule.anchor
        assert tick == rule.anchor or tick - step <= after  # none is left out
        after = tick


@given(instants, st.timedeltas(-DAY, DAY))
def test_a_date_comes_once(at: datetime, before: timedelta) -> None:
    after = at - before
    assert next_after(DateRule(at), after) == (at if after < at else None)
    assert occurrences(DateRule(at), after=after, limit=9) == ([at] if after < at else [])


@given(st.one_of(near_changes(), st.tuples(interval_rules, instants)), st.integers(1, 40), st.integers(0, 5))
@looking(100)
def test_counting_a_span_equals_walking_it(case: tuple[Rule, datetime], count: int, tail: int) -> None:
    rule, after = case
    walked = [after]
    for tick in some(rule, after, 1):
        walked.append(tick)
    while 1 < len(walked) <= count and (tick := next_after(rule, walked[-1])) is not None:
        walked.append(tick)
    ticks = tuple(walked[1:])
    if not ticks:
        return
    found = ticks_between(rule, after=after, until=ticks[-1], tail=tail)
    assert found == Ticks(len(ticks), ticks[0], ticks[-1], ticks[max(0, len(ticks) - tail) :])
    assert occurrences(rule, after=after, until=ticks[-1], limit=count + 1) == list(ticks)


@given(near_changes(), st.timedeltas(timedelta(0), 20 * DAY))
@looking(40)
def test_counting_by_days_equals_walking(case: tuple[CronRule, datetime], span: timedelta) -> None:
    rule, after = case
    ticks = some(rule, after, 40_000, after + span)
    expected = Counted(len(ticks), ticks[0], ticks[-1]) if ticks else Counted()
    assert count_between(rule, after=after, until=after + span) == expected


@given(
    st.one_of(near_changes(), st.tuples(interval_rules, instants)),
    st.timedeltas(-2 * DAY, 2 * DAY) | st.none(),
    st.timedeltas(-2 * DAY, 4 * DAY) | st.none(),
    st.booleans(),
)
@looking(80)
def test_a_window_lets_through_what_is_within_and_nothing_else(
    case: tuple[CronRule | IntervalRule, datetime],
    starts: timedelta | None,
    ends: timedelta | None,
    on_a_tick: bool,
) -> None:
    rule, after = case
    until = after + 3 * DAY
    ticks = some(rule, after, 300, until)
    until = ticks[-1] if len(ticks) == 300 else until
    start, end = (None if part is None else after + part for part in (starts, ends))
    if on_a_tick and ticks:  # both ends are times of it
        start, end = (
            part and min(ticks, key=lambda tick, part=part: abs(tick - part))  # type: ignore[misc]
            for part in (start, end)
        )
    assume((start or end) is not None)
    bounded = Within(rule, start, end)
    within = [tick for tick in ticks if (start is None or start <= tick) and (end is None or tick <= end)]
    assert occurrences(bounded, after=after, until=until, limit=301) == within
    assert ticks_between(bounded, after=after, until=until).count == len(within)
    assert count_between(bounded, after=after, until=until).count == len(within)
    first = next_after(bounded, after)
    assert (first if first is None or first <= until else None) == (within[0] if within else None)


local_times = st.builds(
    lambda days, minutes: days * DAY + minutes * MINUTE, st.integers(-2, 2), st.integers(0, 1439)
)


@given(
    near_changes(),
    st.sampled_from(ZONES),
    st.lists(st.tuples(local_times, local_times), min_size=1, max_size=4),
)
@looking(60)
def test_nothing_runs_at_a_local_time_that_a_calendar_blacks_out(
    case: tuple[CronRule, datetime], zone: str, spans: list[tuple[timedelta, timedelta]]
) -> None:
    rule, after = case
    zone = rule.timezone if len(spans) % 2 else zone  # its own clock change, mostly
    midnight = after.astimezone(ZoneInfo(zone)).replace(
        tzinfo=None, hour=0, minute=0, second=0, microsecond=0
    )
    walls = [(midnight + min(span), midnight + max(span)) for span in spans if span[0] != span[1]]
    ticks = some(rule, after, 500, after + 2 * DAY)
    assume(ticks and walls)
    entries = [{"from": begin.isoformat(), "to": end.isoformat()} for begin, end in walls]
    policy = Policy(grace_seconds=10**7, blackouts=blackouts_of("c", zone, entries))
    plan = plan_ticks(rule, policy, due=ticks[0], accounted=None, now=ticks[-1])

    def is_out(tick: datetime) -> bool:
        wall = tick.astimezone(ZoneInfo(zone)).replace(tzinfo=None, fold=0)
        return any(begin <= wall < end for begin, end in walls)

    assert not [fire.tick for fire in plan.fires if is_out(fire.tick)]
    assert {skip.reason for skip in plan.skips} <= {SkipReason.WINDOW}
    assert len(plan.fires) + plan.skipped == len(ticks)
    assert plan.skipped >= sum(map(is_out, ticks))
