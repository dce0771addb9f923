"""What becomes of due ticks: every one in exactly one place, whatever the rule, the policy and the delay."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apps.jobs.planning import MAX_FIRES, MAX_TICKS, Plan, Policy, plan_ticks, without_overlap
from apps.jobs.recurrence.errors import ScheduleError
from apps.jobs.recurrence.rules import CronRule, DateRule, IntervalRule, Rule
from apps.jobs.recurrence.times import next_after, occurrences
from apps.jobs.states import Misfire, Overlap

NOON = datetime(2026, 6, 1, 12, 0, tzinfo=UTC)
MINUTELY = CronRule("* * * * *", "UTC")
SECONDLY = IntervalRule(1, NOON)


def at(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def plan(rule: Rule, now: datetime, *, due: datetime = NOON, **policy: object) -> Plan:
    return plan_ticks(rule, Policy(**policy), due=due, accounted=None, now=now)  # type: ignore[arg-type]


def ranges(plan: Plan) -> list[tuple[datetime, datetime, int, str]]:
    return [(skip.first, skip.last, skip.count, str(skip.reason)) for skip in plan.skips]


def test_a_tick_on_time_fires_and_the_cursor_goes_to_the_next() -> None:
    assert plan(MINUTELY, at(0.01)) == Plan((NOON,), (), NOON, at(60))


def test_ticks_within_the_grace_fire_each() -> None:
    done = plan(SECONDLY, at(3.2), grace_seconds=15)

    assert done.fires == (at(0), at(1), at(2), at(3))
    assert (done.skips, done.accounted, done.next_run_at) == ((), at(3), at(4))


def test_exactly_the_grace_late_is_on_time_and_a_microsecond_more_is_not() -> None:
    edge = at(15)

    assert plan(SECONDLY, edge, grace_seconds=15).fires[0] == NOON
    late = plan(SECONDLY, edge + timedelta(microseconds=1), grace_seconds=15)
    assert late.fires[0] == at(1)
    assert ranges(late) == [(NOON, NOON, 1, "misfire")]


def test_fire_once_runs_the_latest_of_late_ticks_and_skips_the_older() -> None:
    three_days = NOON + timedelta(days=3, seconds=30)
    done = plan(MINUTELY, three_days)

    last = NOON + timedelta(days=3)
    assert done.fires == (last,)
    assert ranges(done) == [(NOON, last - timedelta(minutes=1), 3 * 24 * 60, "misfire")]
    assert done.next_run_at == last + timedelta(minutes=1)


def test_fire_once_with_a_single_late_tick_runs_it_and_skips_nothing() -> None:
    assert plan(MINUTELY, at(50)) == Plan((NOON,), (), NOON, at(60))


def test_fire_once_leaves_the_late_ones_where_another_is_on_time() -> None:
    done = plan(MINUTELY, at(125))

    assert done.fires == (at(120),)
    assert ranges(done) == [(NOON, at(60), 2, "misfire")]


def test_skip_runs_no_late_tick() -> None:
    done = plan(MINUTELY, at(110), misfire=Misfire.SKIP)

    assert done.fires == ()
    assert ranges(done) == [(NOON, at(60), 2, "misfire")]
    assert (done.accounted, done.next_run_at) == (at(60), at(120))


def test_skip_runs_what_is_on_time() -> None:
    done = plan(MINUTELY, at(61), misfire=Misfire.SKIP)

    assert done.fires == (at(60),)
    assert ranges(done) == [(NOON, NOON, 1, "misfire")]


@pytest.mark.parametrize(("misfire", "fires"), [(Misfire.FIRE_ONCE, (NOON,)), (Misfire.SKIP, ())])
def test_a_date_is_over_once_it_has_its_outcome(misfire: str, fires: tuple[datetime, ...]) -> None:
    done = plan(DateRule(NOON), at(3600), misfire=misfire)

    assert done.fires == fires
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
    assert steps[-1].fires == (now,)


def test_a_wide_grace_fires_in_bounded_steps() -> None:
    now = at(2 * MAX_FIRES)
    first = plan(SECONDLY, now, grace_seconds=86_400)

    assert first.fires == tuple(at(second) for second in range(MAX_FIRES))
    assert first.again
    assert first.next_run_at == at(MAX_FIRES)


def test_a_barred_job_skips_everything_that_is_due() -> None:
    done = plan(MINUTELY, at(130), barred="The tenant is suspended.")

    assert done.fires == ()
    assert ranges(done) == [(NOON, at(120), 3, "paused")]
    assert done.skips[0].detail == "The tenant is suspended."
    assert done.next_run_at == at(180)


def test_a_cursor_that_was_set_back_passes_over_what_has_an_outcome() -> None:
    done = plan_ticks(MINUTELY, Policy(), due=NOON, accounted=at(120), now=at(185))

    assert (done.fires, done.skips) == ((), ())
    assert (done.accounted, done.next_run_at, done.again) == (at(120), at(180), True)


def test_overlap_skips_every_tick_while_an_execution_is_live() -> None:
    done = without_overlap(plan(SECONDLY, at(2)), Overlap.SKIP, live=True)

    assert done.fires == ()
    assert ranges(done) == [(NOON, at(2), 3, "overlap")]


def test_ticks_dispatched_together_overlap_each_other() -> None:
    done = without_overlap(plan(SECONDLY, at(2)), Overlap.SKIP, live=False)

    assert done.fires == (NOON,)
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
    assert done.fires == (due,)
    assert done.next_run_at == datetime(2026, 3, 30, 0, 30, tzinfo=UTC)


def test_a_night_that_repeats_an_hour_fires_a_fixed_time_once_and_an_hourly_one_each_time() -> None:
    """25 October 2026: Berlin goes from 03:00 back to 02:00, which is 01:00 UTC."""
    fixed, hourly = CronRule("30 2 * * *", "Europe/Berlin"), CronRule("30 * * * *", "Europe/Berlin")
    midnight, morning = (datetime(2026, 10, 24, 22, tzinfo=UTC), datetime(2026, 10, 25, 5, tzinfo=UTC))
    grace = {"grace_seconds": 86_400}

    due = next_after(fixed, midnight)
    assert due == datetime(2026, 10, 25, 0, 30, tzinfo=UTC)
    assert plan(fixed, morning, due=due, **grace).fires == (due,)
    due = next_after(hourly, midnight)
    assert due is not None
    fires = plan(hourly, morning, due=due, **grace).fires
    assert len(fires) == 7
    assert {later - earlier for earlier, later in pairwise(fires)} == {timedelta(hours=1)}


RULES: list[Rule] = [
    MINUTELY,
    CronRule("*/7 1-3 * * *", "Europe/Berlin"),
    CronRule("30 2 * * *", "Europe/Berlin"),
    IntervalRule(17, NOON),
    IntervalRule(3600, NOON - timedelta(days=400)),
    DateRule(datetime(2026, 3, 29, 1, 30, tzinfo=UTC)),
]

CHANGE_NIGHTS = datetime(2026, 3, 27, tzinfo=UTC)


@settings(max_examples=300, deadline=None)
@given(
    rule=st.sampled_from(RULES),
    start=st.timedeltas(timedelta(0), timedelta(days=3)).map(lambda days: CHANGE_NIGHTS + days),
    late=st.timedeltas(timedelta(0), timedelta(hours=30)),
    grace=st.integers(0, 7200),
    misfire=st.sampled_from(Misfire.values),
    overlap=st.sampled_from(Overlap.values),
    live=st.booleans(),
    barred=st.sampled_from(["", "The tenant is suspended."]),
)
def test_every_tick_has_exactly_one_outcome(
    rule: Rule,
    start: datetime,
    late: timedelta,
    grace: int,
    misfire: str,
    overlap: str,
    live: bool,
    barred: str,
) -> None:
    due = next_after(rule, start)
    if due is None:
        return
    now = due + late
    expected = [due, *occurrences(rule, after=due, until=now, limit=200_000)]
    fired: list[datetime] = []
    skipped: list[datetime] = []
    cursor: datetime | None = due
    accounted: datetime | None = None
    while cursor is not None and cursor <= now:
        policy = Policy(misfire, grace, barred)
        done = without_overlap(
            plan_ticks(rule, policy, due=cursor, accounted=accounted, now=now), overlap, live=live
        )
        fired += done.fires
        for skip in done.skips:
            inside = [tick for tick in expected if skip.first <= tick <= skip.last]
            assert len(inside) == skip.count
            assert (inside[0], inside[-1]) == (skip.first, skip.last)
            skipped += inside
        assert done.again == (done.next_run_at is not None and done.next_run_at <= now)
        accounted, cursor = done.accounted, done.next_run_at

    assert sorted(fired + skipped) == expected
    if barred or (overlap == Overlap.SKIP and live):
        assert not fired
    if not barred and misfire == Misfire.FIRE_ONCE and overlap == Overlap.ALLOW:
        assert expected[-1] in fired
    if misfire == Misfire.SKIP:
        assert all(now - tick <= timedelta(seconds=grace) for tick in fired)
