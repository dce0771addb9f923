"""The same rules read by croniter: where it says otherwise there is a reason, and the reasons are all here.

A rule in UTC names the same instants to both, but for what croniter reads otherwise (`Dialect`). In a zone they differ
in what a clock change does: by Debian cron's rules, which are ours, or for want of one in croniter (`Clock`). Anything
else fails.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from croniter import CroniterBadDateError, croniter
from hypothesis import assume, event, example, given
from hypothesis import strategies as st

from apps.jobs.recurrence.errors import ScheduleError
from apps.jobs.recurrence.rules import CronRule
from apps.jobs.recurrence.times import occurrences
from tests.properties import looking
from tests.recurrences import DAY, MINUTE, Change, Reading, changes, cron_expressions, cron_rules, instants

pytestmark = pytest.mark.same_on_every_postgres

YEARS = 51  # ours looks fifty years ahead


class Dialect(StrEnum):
    """Expressions that croniter reads otherwise."""

    ONE_VALUE = "a range of one value, 4-4, is to croniter one that goes round, and so the whole field"
    NTH_AND_DAY = (
        "beside MON#1 or 5L croniter leaves out the days of the month; to us either counts, or both do"
    )
    FULL_FIELD = (
        "a day field with all its values is a star to croniter if the other has one; to us a star comes first"
    )
    STEPS_TO_SUNDAY = "1/2 of the weekdays goes on to 7, which is Sunday; croniter stops at Saturday"


class Clock(StrEnum):
    """What a change of the clock does."""

    RUNS_ONCE = "a fixed time that comes twice runs at the first; to croniter at both"
    GAP_IS_SKIPPED = (
        "dst_gap=skip: nothing runs for a time that is left out; croniter runs it at the end of the gap"
    )
    FOLLOWS_CLOCK = (
        "with a star for the minute or hour nothing is moved out of a gap; croniter moves it all the same"
    )
    PART_OF_AN_HOUR = "croniter overlooks times that come twice where the clock is set back to within an hour"


def dialect(expression: str) -> Dialect | None:
    fields = expression.split()
    day, weekday = fields[2], fields[4]
    if re.search(r"\b(\w+)-\1\b", expression):
        return Dialect.ONE_VALUE
    if ("#" in weekday or weekday.endswith("L")) and day != "*":
        return Dialect.NTH_AND_DAY
    if re.search(r"(?<![-*\d])\d/", weekday):
        return Dialect.STEPS_TO_SUNDAY
    if not day.startswith("*") and not weekday.startswith("*"):
        reading = Reading(expression)
        all_weekdays = {value % 7 for value in reading.values(4)} == set(range(7))
        if ("*" in day and all_weekdays) or ("*" in weekday and len(reading.values(2)) == 31):
            return Dialect.FULL_FIELD
    return None


def by_croniter(rule: CronRule, after: datetime) -> Iterator[datetime]:
    """With Debian cron's "and" of a day field that begins with a star, and its own spelling of a last weekday."""
    expression = re.sub(r"\b(\d)L$", r"L\1", rule.expression)
    local: Any = after.astimezone(ZoneInfo(rule.timezone))
    ticks = croniter(
        expression, local, ret_type=datetime, implement_cron_bug=True, max_years_between_matches=YEARS
    )
    try:
        while True:
            yield ticks.get_next(datetime).astimezone(UTC)
    except CroniterBadDateError:
        return


def until(ticks: Iterator[datetime], last: datetime) -> list[datetime]:
    found = []
    for tick in ticks:
        if tick > last:
            break
        found.append(tick)
    return found


@given(cron_expressions, instants)
@example("0 0 */2 * 1", datetime(2026, 11, 1, tzinfo=UTC))
@example("0 0 1,15 * 1", datetime(2026, 11, 1, tzinfo=UTC))
@example("0 0 29 2 *", datetime(2096, 3, 1, tzinfo=UTC))
@example("0 0 * 2 MON#5", datetime(2026, 1, 1, tzinfo=UTC))
@looking(200)
def test_in_utc_croniter_names_the_same_instants(expression: str, after: datetime) -> None:
    try:
        ours = occurrences(CronRule(expression, "UTC"), after=after, limit=5)
    except ScheduleError as error:
        assume("would never run" not in error.sentence)
        raise
    theirs = [
        tick for tick, _ in zip(by_croniter(CronRule(expression, "UTC"), after), range(5), strict=False)
    ]
    reason = dialect(expression)
    event(str(reason))
    assert ours == theirs or reason is not None


@st.composite
def at_changes(draw: st.DrawFn) -> tuple[CronRule, Change, datetime]:
    """A rule of those that both read alike, a clock change of its zone, and an instant in the two days before."""
    rule = draw(
        cron_rules.filter(lambda rule: changes(rule.timezone) != () and dialect(rule.expression) is None)
    )
    change = draw(st.sampled_from(changes(rule.timezone)))
    return rule, change, change.at - draw(st.integers(1, 2880)) * MINUTE


def why_only_theirs(rule: CronRule, change: Change, tick: datetime) -> Clock | None:
    """Of a time that croniter alone has."""
    follows = Reading(rule.expression).follows_clock
    if tick == change.at and change.by > timedelta(0):
        if follows:
            return Clock.FOLLOWS_CLOCK
        return Clock.GAP_IS_SKIPPED if rule.dst_gap == "skip" else None
    repeated = change.by < timedelta(0) and change.at <= tick < change.at - change.by
    return Clock.RUNS_ONCE if repeated and not follows and rule.dst_overlap == "first" else None


def why_only_ours(rule: CronRule, change: Change, tick: datetime) -> Clock | None:
    """Of a time that croniter has not: the second reading of one that is named, in part of an hour."""
    back_to = change.at.astimezone(ZoneInfo(rule.timezone))
    wall = tick.astimezone(ZoneInfo(rule.timezone)).replace(tzinfo=None, fold=0)
    repeated = change.by < timedelta(0) and change.at <= tick < change.at - change.by
    named = Reading(rule.expression).names(wall)
    return Clock.PART_OF_AN_HOUR if repeated and named and back_to.minute else None


@given(at_changes())
@looking(120)
def test_at_clock_changes_croniter_differs_for_a_reason(case: tuple[CronRule, Change, datetime]) -> None:
    rule, change, after = case
    last = change.at + DAY
    try:
        ours = occurrences(rule, after=after, limit=6000, until=last)
    except ScheduleError as error:
        assume("would never run" not in error.sentence)
        raise
    theirs = until(by_croniter(rule, after), last)
    assert theirs == sorted(set(theirs))
    for tick in sorted(set(theirs) - set(ours)):
        reason = why_only_theirs(rule, change, tick)
        event(str(reason))
        assert reason is not None, f"{rule} leaves out {tick}"
    for tick in sorted(set(ours) - set(theirs)):
        reason = why_only_ours(rule, change, tick)
        event(str(reason))
        assert reason is not None, f"{rule} has {tick}"


@pytest.mark.parametrize(
    ("reason", "expression", "ours", "theirs"),
    [
        (Dialect.ONE_VALUE, "0 0 4-4 * *", 12, 365),
        (Dialect.ONE_VALUE, "0 0 4-4/9 * *", 12, 48),
        (Dialect.NTH_AND_DAY, "0 0 13 * MON#2", 22, 12),
        (Dialect.FULL_FIELD, "0 0 12-17,*/3 * 1-6,*/3", 365, 175),
        (Dialect.STEPS_TO_SUNDAY, "0 0 * * 1/2", 208, 156),
    ],
)
def test_croniter_still_reads_otherwise(reason: Dialect, expression: str, ours: int, theirs: int) -> None:
    """Each reason is one still: when croniter changes, it goes. How often it runs in 2026."""
    assert dialect(expression) is reason
    after, last = datetime(2025, 12, 31, 23, 59, tzinfo=UTC), datetime(2026, 12, 31, tzinfo=UTC)
    rule = CronRule(expression, "UTC")
    assert (
        len(occurrences(rule, after=after, until=last, limit=400)),
        len(until(by_croniter(rule, after), last)),
    ) == (ours, theirs)


@pytest.mark.parametrize(
    ("reason", "rule", "day"),
    [
        (Clock.RUNS_ONCE, CronRule("30 2 * * *", "Europe/Berlin"), "2026-10-25"),
        (Clock.GAP_IS_SKIPPED, CronRule("30 2 * * *", "Europe/Berlin", dst_gap="skip"), "2026-03-29"),
        (Clock.FOLLOWS_CLOCK, CronRule("*/30 2 * * *", "Europe/Berlin"), "2026-03-29"),
        (Clock.PART_OF_AN_HOUR, CronRule("6-44/5 * * * *", "Asia/Pyongyang"), "2015-08-15"),
    ],
)
def test_clock_changes_still_differ(reason: Clock, rule: CronRule, day: str) -> None:
    (change,) = (
        c for c in changes(rule.timezone) if abs(c.at - datetime.fromisoformat(f"{day}T00:00Z")) < DAY
    )
    after, last = change.at - 12 * 60 * MINUTE, change.at + 12 * 60 * MINUTE
    ours = set(occurrences(rule, after=after, until=last, limit=400))
    theirs = set(until(by_croniter(rule, after), last))
    assert {why_only_theirs(rule, change, tick) for tick in theirs - ours} | {
        why_only_ours(rule, change, tick) for tick in ours - theirs
    } == {reason}
