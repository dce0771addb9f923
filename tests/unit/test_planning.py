"""What becomes of due ticks: every one in exactly one place, whatever the rule, the policy and the delay."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apps.executions.states import SkipReason
from apps.jobs.planning import (
    MAX_FIRES,
    MAX_TICKS,
    Barred,
    Blackout,
    Fire,
    Plan,
    Policy,
    plan_ticks,
    without_overlap,
)
from apps.jobs.recurrence.errors import ScheduleError
from apps.jobs.recurrence.rules import CronRule, DateRule, IntervalRule, Rule, Within
from apps.jobs.recurrence.times import next_after, occurrences
from apps.jobs.states import Misfire, Overlap

pytestmark = pytest.mark.same_on_every_postgres

NOON = datetime(2026, 6, 1, 12, 0, tzinfo=UTC)
MINUTELY = CronRule("* * * * *", "UTC")
SECONDLY = IntervalRule(1, NOON)


def at(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def plan(rule: Rule, now: datetime, *, due: datetime = NOON, **policy: object) -> Plan:
    return plan_ticks(rule, Policy(**policy), due=due, accounted=None, now=now)  # type: ignore[arg-type]


def fired(plan: Plan) -> tuple[datetime, ...]:
    return tuple(fire.tick for fire in plan.fires)


def ranges(plan: Plan) -> list[tuple[datetime, datetime, int, str]]:
    return [(skip.first, skip.last, skip.count, str(skip.reason)) for skip in plan.skips]


def test_a_tick_on_time_fires_and_the_cursor_goes_to_the_next() -> None:
    assert plan(MINUTELY, at(0.01)) == Plan((Fire(NOON, NOON),), (), NOON, at(60))


def test_ticks_within_the_grace_fire_each() -> None:
    done = plan(SECONDLY, at(3.2), grace_seconds=15)

    assert fired(done) == (at(0), at(1), at(2), at(3))
    assert (done.skips, done.accounted, done.next_run_at) == ((), at(3), at(4))


def test_exactly_the_grace_late_is_on_time_and_a_microsecond_more_is_not() -> None:
    edge = at(15)

    on_time = plan(SECONDLY, edge, grace_seconds=15)
    assert (fired(on_time)[0], on_time.skips) == (NOON, ())
    one_late = plan(SECONDLY, edge + timedelta(seconds=1), grace_seconds=15)
    assert (fired(one_late)[0], ranges(one_late)) == (at(1), [(NOON, NOON, 1, "misfire")])
    late = plan(SECONDLY, edge + timedelta(microseconds=1), grace_seconds=15)
    assert fired(late)[0] == at(1)
    assert ranges(late) == [(NOON, NOON, 1, "misfire")]


def test_fire_once_runs_the_latest_of_late_ticks_and_skips_the_older() -> None:
    three_days = NOON + timedelta(days=3, seconds=30)
    done = plan(MINUTELY, three_days)

    last = NOON + timedelta(days=3)
    assert fired(done) == (last,)
    assert ranges(done) == [(NOON, last - timedelta(minutes=1), 3 * 24 * 60, "misfire")]
    assert done.next_run_at == last + timedelta(minutes=1)


def test_fire_once_with_a_single_late_tick_runs_it_and_skips_nothing() -> None:
    assert plan(MINUTELY, at(50)) == Plan((Fire(NOON, NOON),), (), NOON, at(60))


def test_fire_once_leaves_the_late_ones_where_another_is_on_time() -> None:
    done = plan(MINUTELY, at(125))

    assert fired(done) == (at(120),)
    assert ranges(done) == [(NOON, at(60), 2, "misfire")]


def test_skip_runs_no_late_tick() -> None:
    done = plan(MINUTELY, at(110), misfire=Misfire.SKIP)

    assert fired(done) == ()
    assert ranges(done) == [(NOON, at(60), 2, "misfire")]
    assert (done.accounted, done.next_run_at) == (at(60), at(120))


def test_skip_runs_what_is_on_time() -> None:
    done = plan(MINUTELY, at(61), misfire=Misfire.SKIP)

    assert fired(done) == (at(60),)
    assert ranges(done) == [(NOON, NOON, 1, "misfire")]


@pytest.mark.parametrize(("misfire", "fires"), [(Misfire.FIRE_ONCE, (NOON,)), (Misfire.SKIP, ())])
def test_a_date_is_over_once_it_has_its_outcome(misfire: str, fires: tuple[datetime, ...]) -> None:
    done = plan(DateRule(NOON), at(3600), misfire=misfire)

    assert fired(done) == fires
    assert len(done.fires) + done.skipped == 1
    assert done.next_run_at is None
    assert not done.again


def test_catching_up_is_bounded_and_goes_on_where_it_stopped() -> None:
    now = NOON + timedelta(minutes=2 * MAX_TICKS + 5)
    steps, due = [], NOON
    while True:
        done = plan(MINUTELY, now, due=due)
        steps.append(done)
        if not done.again:
            break
        assert done.next_run_at is not None
        due = done.next_run_at

    assert [step.skipped for step in steps] == [MAX_TICKS, MAX_TICKS, 5]
    assert [len(step.fires) for step in steps] == [0, 0, 1]
    assert fired(steps[-1]) == (now,)


def test_a_wide_grace_fires_in_bounded_steps() -> None:
    now = at(2 * MAX_FIRES)
    first = plan(SECONDLY, now, grace_seconds=86_400)

    assert fired(first) == tuple(at(second) for second in range(MAX_FIRES))
    assert first.again
    assert first.next_run_at == at(MAX_FIRES)


def test_a_barred_job_skips_everything_that_is_due() -> None:
    done = plan(MINUTELY, at(130), barred=Barred(SkipReason.PAUSED, "The tenant is suspended."))

    assert fired(done) == ()
    assert ranges(done) == [(NOON, at(120), 3, "paused")]
    assert done.skips[0].detail == "The tenant is suspended."
    assert done.next_run_at == at(180)


def test_a_cursor_that_was_set_back_passes_over_what_has_an_outcome() -> None:
    done = plan_ticks(MINUTELY, Policy(), due=NOON, accounted=at(120), now=at(185))

    assert (done.fires, done.skips) == ((), ())
    assert (done.accounted, done.next_run_at, done.again) == (at(120), at(180), True)


def test_overlap_skips_every_tick_while_an_execution_is_live() -> None:
    done = without_overlap(plan(SECONDLY, at(2)), Overlap.SKIP, live=True)

    assert fired(done) == ()
    assert ranges(done) == [(NOON, at(2), 3, "overlap")]


def test_ticks_dispatched_together_overlap_each_other() -> None:
    done = without_overlap(plan(SECONDLY, at(2)), Overlap.SKIP, live=False)

    assert fired(done) == (NOON,)
    assert ranges(done) == [(at(1), at(2), 2, "overlap")]


def test_overlap_allow_lets_them_run_beside_each_other() -> None:
    done = plan(SECONDLY, at(2))

    assert without_overlap(done, Overlap.ALLOW, live=True) is done


def test_a_broken_rule_raises_and_plans_nothing() -> None:
    with pytest.raises(ScheduleError):
        plan(CronRule("* * * * *", "Mars/Olympus"), at(1))


def test_a_night_that_loses_an_hour_fires_once_at_the_first_valid_instant() -> None:
    """29 March 2026: Berlin goes from 02:00 to 03:00, which is 01:00 UTC."""
    rule = CronRule("30 2 * * *", "Europe/Berlin")
    due = next_after(rule, datetime(2026, 3, 28, 12, tzinfo=UTC))

    assert due == datetime(2026, 3, 29, 1, 0, tzinfo=UTC)
    done = plan(rule, due + timedelta(milliseconds=5), due=due)
    assert fired(done) == (due,)
    assert done.next_run_at == datetime(2026, 3, 30, 0, 30, tzinfo=UTC)


def test_a_night_that_repeats_an_hour_fires_a_fixed_time_once_and_an_hourly_one_each_time() -> None:
    """25 October 2026: Berlin goes from 03:00 back to 02:00, which is 01:00 UTC."""
    fixed, hourly = CronRule("30 2 * * *", "Europe/Berlin"), CronRule("30 * * * *", "Europe/Berlin")
    midnight, morning = (datetime(2026, 10, 24, 22, tzinfo=UTC), datetime(2026, 10, 25, 5, tzinfo=UTC))
    grace = {"grace_seconds": 86_400}

    due = next_after(fixed, midnight)
    assert due == datetime(2026, 10, 25, 0, 30, tzinfo=UTC)
    assert fired(plan(fixed, morning, due=due, **grace)) == (due,)
    due = next_after(hourly, midnight)
    assert due is not None
    fires = fired(plan(hourly, morning, due=due, **grace))
    assert len(fires) == 7
    assert {later - earlier for earlier, later in pairwise(fires)} == {timedelta(hours=1)}


def test_fire_all_runs_the_latest_late_times_in_turn_and_says_what_became_of_the_older() -> None:
    now, last = NOON + timedelta(days=3, seconds=30), NOON + timedelta(days=3)
    done = plan(MINUTELY, now, misfire=Misfire.FIRE_ALL, max_runs=100, pace_seconds=7)

    assert fired(done) == tuple(last - timedelta(minutes=back) for back in reversed(range(100)))
    assert [fire.run_at - now for fire in done.fires] == [
        timedelta(seconds=7 * place) for place in range(100)
    ]
    assert all(fire.catch_up for fire in done.fires)
    assert ranges(done) == [(NOON, last - timedelta(minutes=100), 3 * 24 * 60 + 1 - 100, "misfire")]
    assert done.skips[0].detail == "Of the times that were missed, the latest 100 are made up for."
    assert not done.again


def test_fire_all_within_its_cap_skips_nothing_and_what_is_on_time_does_not_wait_for_it() -> None:
    done = plan(MINUTELY, at(185), misfire=Misfire.FIRE_ALL, pace_seconds=60)

    assert done.fires == (
        Fire(at(0), at(185), True),
        Fire(at(60), at(245), True),
        Fire(at(120), at(305), True),
        Fire(at(180), at(180)),
    )
    assert done.skips == ()


@pytest.mark.parametrize(("late", "caught_up"), [(timedelta(0), False), (timedelta(microseconds=1), True)])
def test_fire_all_catches_up_from_the_first_microsecond_past_the_grace(
    late: timedelta, caught_up: bool
) -> None:
    done = plan(MINUTELY, at(15) + late, misfire=Misfire.FIRE_ALL, grace_seconds=15)

    assert [fire.catch_up for fire in done.fires] == [caught_up]
    assert done.fires[0].run_at == (at(15) + late if caught_up else NOON)


def test_fire_all_over_more_than_a_step_still_runs_exactly_the_latest() -> None:
    last = NOON + timedelta(minutes=MAX_TICKS + 20)
    now = last + timedelta(seconds=30)
    first = plan(MINUTELY, now, misfire=Misfire.FIRE_ALL, max_runs=100)
    assert first.next_run_at is not None
    second = plan(MINUTELY, now, due=first.next_run_at, misfire=Misfire.FIRE_ALL, max_runs=100)

    assert (first.fires, first.again, second.again) == ((), True, False)
    assert fired(second) == tuple(last - timedelta(minutes=back) for back in reversed(range(100)))
    assert first.skipped + second.skipped + len(second.fires) == MAX_TICKS + 21


def test_a_blackout_skips_its_times_with_its_reason_and_not_its_end() -> None:
    dark = (Blackout(at(60), at(180), "Calendar “Holidays”."),)
    done = plan(MINUTELY, at(240), grace_seconds=3600, blackouts=dark)

    assert fired(done) == (at(0), at(180), at(240))
    assert ranges(done) == [(at(60), at(120), 2, "window")]
    assert done.skips[0].detail == "Calendar “Holidays”."


def test_fire_once_saves_the_latest_late_time_that_no_blackout_covers() -> None:
    dark = (Blackout(at(170), at(400), "dark"),)
    done = plan(MINUTELY, at(350), blackouts=dark)

    assert fired(done) == (at(120),)
    assert ranges(done) == [(at(0), at(60), 2, "misfire"), (at(180), at(300), 3, "window")]
    assert (done.accounted, done.next_run_at) == (at(300), at(360))


def test_fire_all_counts_late_times_on_both_sides_of_a_blackout() -> None:
    dark = (Blackout(at(170), at(310), "dark"),)
    done = plan(MINUTELY, at(470), misfire=Misfire.FIRE_ALL, max_runs=4, blackouts=dark)

    assert fired(done) == (at(60), at(120), at(360), at(420))
    assert ranges(done) == [(at(0), at(0), 1, "misfire"), (at(180), at(300), 3, "window")]


def test_a_month_of_dark_minutes_neither_wedges_nor_loses_the_time_before_it() -> None:
    dark = (Blackout(at(60), NOON + timedelta(days=30), "dark"),)
    steps, due, now = list[Plan](), NOON, NOON + timedelta(days=29)
    while not steps or steps[-1].again:
        steps.append(plan(MINUTELY, now, due=due, blackouts=dark))
        assert steps[-1].next_run_at is not None
        due = steps[-1].next_run_at

    assert [fired(step) for step in steps] == [(NOON,), (), (), (), ()]
    assert sum(step.skipped for step in steps) == 29 * 24 * 60


def test_barred_comes_before_a_blackout() -> None:
    dark = (Blackout(NOON, at(3600), "dark"),)
    done = plan(MINUTELY, at(130), blackouts=dark, barred=Barred(SkipReason.COOL_OFF, "Cooling off."))

    assert ranges(done) == [(NOON, at(120), 3, "cool_off")]


def test_overlap_drops_what_is_on_time_apart_from_a_blackout_between() -> None:
    dark = (Blackout(at(2), at(3), "dark"),)
    done = without_overlap(plan(SECONDLY, at(4), blackouts=dark), Overlap.SKIP, live=True)

    assert fired(done) == ()
    assert ranges(done) == [
        (at(0), at(1), 2, "overlap"),
        (at(2), at(2), 1, "window"),
        (at(3), at(4), 2, "overlap"),
    ]


def test_overlap_leaves_what_fire_all_catches_up_on_and_drops_what_is_due_beside_it() -> None:
    done = without_overlap(plan(MINUTELY, at(185), misfire=Misfire.FIRE_ALL), Overlap.SKIP, live=True)

    assert fired(done) == (at(0), at(60), at(120))
    assert ranges(done) == [(at(180), at(180), 1, "overlap")]


@pytest.mark.parametrize(("jitter", "spread"), [(0, 0.0), (10, 10.0), (60, 60.0), (90, 60.0)])
def test_jitter_is_never_more_than_the_gap_to_the_next_time(jitter: int, spread: float) -> None:
    assert plan(MINUTELY, at(1), jitter_seconds=jitter).spread == spread


def test_jitter_of_several_that_go_out_together_is_that_of_the_smallest_gap() -> None:
    uneven = CronRule("0,1,30 * * * *", "UTC")

    assert plan(uneven, at(1860), grace_seconds=7200, jitter_seconds=600).spread == 60.0
    assert plan(DateRule(NOON), at(1), jitter_seconds=600).spread == 600.0


def test_a_window_ends_the_schedule_with_its_last_time() -> None:
    done = plan(Within(MINUTELY, None, at(60)), at(500), misfire=Misfire.FIRE_ALL)

    assert fired(done) == (NOON, at(60))
    assert (done.next_run_at, done.again) == (None, False)


RULES: list[Rule] = [
    MINUTELY,
    CronRule("*/7 1-3 * * *", "Europe/Berlin"),
    CronRule("30 2 * * *", "Europe/Berlin"),
    IntervalRule(17, NOON),
    IntervalRule(3600, NOON - timedelta(days=400)),
    DateRule(datetime(2026, 3, 29, 1, 30, tzinfo=UTC)),
    Within(MINUTELY, datetime(2026, 3, 28, 3, 0, 1, tzinfo=UTC), datetime(2026, 3, 29, 1, 0, tzinfo=UTC)),
    Within(IntervalRule(90, NOON - timedelta(days=400)), None, datetime(2026, 3, 29, 0, 0, tzinfo=UTC)),
]

CHANGE_NIGHTS = datetime(2026, 3, 27, tzinfo=UTC)


def disjoint(spans: list[tuple[int, int]]) -> tuple[Blackout, ...]:
    """Spans of seconds from the first night on, in order and without overlaps, as calendars hand them over."""
    found: list[Blackout] = []
    for start, length in sorted(spans):
        low, high = (CHANGE_NIGHTS + timedelta(seconds=second) for second in (start, start + length))
        if not found or found[-1].end <= low:
            found.append(Blackout(low, high, f"from {start}"))
    return tuple(found)


BLACKOUTS = st.lists(st.tuples(st.integers(0, 4 * 86_400), st.integers(1, 20_000)), max_size=6).map(disjoint)


@settings(max_examples=300, deadline=None)
@given(
    rule=st.sampled_from(RULES),
    start=st.timedeltas(timedelta(0), timedelta(days=3)).map(lambda days: CHANGE_NIGHTS + days),
    late=st.timedeltas(timedelta(0), timedelta(hours=30)),
    overlap=st.sampled_from(Overlap.values),
    live=st.booleans(),
    policy=st.builds(
        Policy,
        misfire=st.sampled_from(Misfire.values),
        grace_seconds=st.integers(0, 7200),
        max_runs=st.integers(1, 300),
        pace_seconds=st.integers(0, 60),
        jitter_seconds=st.integers(0, 3600),
        blackouts=BLACKOUTS,
        barred=st.sampled_from([None, None, None, Barred(SkipReason.PAUSED, "The tenant is suspended.")]),
    ),
)
def test_every_tick_has_exactly_one_outcome(
    rule: Rule, start: datetime, late: timedelta, overlap: str, live: bool, policy: Policy
) -> None:
    due = next_after(rule, start)
    if due is None:
        return
    now = due + late
    expected = [due, *occurrences(rule, after=due, until=now, limit=200_000)]
    ran: list[datetime] = []
    skipped: list[datetime] = []
    blacked: list[datetime] = []
    cursor: datetime | None = due
    accounted: datetime | None = None
    while cursor is not None and cursor <= now:
        planned = plan_ticks(rule, policy, due=cursor, accounted=accounted, now=now)
        done = without_overlap(planned, overlap, live=live)
        ran += fired(done)
        for skip in done.skips:
            inside = [tick for tick in expected if skip.first <= tick <= skip.last]
            assert len(inside) == skip.count
            assert (inside[0], inside[-1]) == (skip.first, skip.last)
            skipped += inside
            blacked += inside if skip.reason == SkipReason.WINDOW else []
        assert all(earlier < later for earlier, later in pairwise(fired(done)))
        assert all(one.last < other.first for one, other in pairwise(done.skips))
        assert all(fire.run_at >= fire.tick for fire in done.fires)
        assert 0 <= done.spread <= policy.jitter_seconds
        assert done.again == (done.next_run_at is not None and done.next_run_at <= now)
        assert done.next_run_at is None or done.next_run_at > cursor
        accounted, cursor = done.accounted, done.next_run_at

    assert sorted(ran + skipped) == expected
    covered = [tick for tick in expected if any(dark.start <= tick < dark.end for dark in policy.blackouts)]
    assert blacked == ([] if policy.barred else covered)
    free = sorted(set(expected) - set(covered))
    behind = [tick for tick in free if now - tick > timedelta(seconds=policy.grace_seconds)]
    if policy.barred:
        assert not ran
    elif overlap != Overlap.SKIP:
        if policy.misfire == Misfire.FIRE_ALL:
            assert ran == behind[-policy.max_runs :] + free[len(behind) :]
        elif policy.misfire == Misfire.SKIP or len(behind) < len(free):
            assert ran == free[len(behind) :]
        else:
            assert ran == free[-1:]
    elif live and policy.misfire != Misfire.FIRE_ALL:
        assert not ran
