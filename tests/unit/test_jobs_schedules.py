"""Stored jobs as rules, and counting what was missed."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from apps.jobs.recurrence.rules import CronRule, DateRule, IntervalRule, ManualRule
from apps.jobs.recurrence.times import DEFAULT_LIMIT, occurrences
from apps.jobs.schedules import Missed, database_now, first_after, missed, rule_of
from apps.jobs.specs import TriggerSpec

START = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)
MINUTELY = CronRule("* * * * *", "UTC")


@pytest.mark.parametrize(
    ("trigger", "rule"),
    [
        (
            replace(TriggerSpec.cron("5 4 * * *", "Europe/Paris"), dst_gap="skip", dst_overlap="both"),
            CronRule("5 4 * * *", "Europe/Paris", "skip", "both"),
        ),
        (TriggerSpec.every(60, START), IntervalRule(60, START)),
        (TriggerSpec.once(START), DateRule(START)),
        (TriggerSpec.manual(), ManualRule()),
    ],
)
def test_each_kind_of_trigger(trigger: TriggerSpec, rule: object) -> None:
    assert rule_of(trigger) == rule


@pytest.mark.parametrize(
    "trigger",
    [
        TriggerSpec(trigger_type="interval"),
        TriggerSpec(trigger_type="date"),
        TriggerSpec(trigger_type="lunar"),
    ],
)
def test_a_row_that_is_no_rule(trigger: TriggerSpec) -> None:
    with pytest.raises(ValueError, match="lacks what it needs"):
        rule_of(trigger)


def test_both_ends_count() -> None:
    found = missed(MINUTELY, START, START + timedelta(minutes=3))
    assert (found.count, found.first, found.last) == (4, START, START + timedelta(minutes=3))


def test_nothing_is_missed_before_the_start() -> None:
    assert missed(MINUTELY, START, START - timedelta(seconds=1)).count == 0


def test_more_than_one_walk_can_count() -> None:
    until = START + timedelta(minutes=DEFAULT_LIMIT + 500)
    found = missed(MINUTELY, START, until)
    assert (
        found.count
        == DEFAULT_LIMIT + 501
        == len(occurrences(MINUTELY, after=START, limit=10**6, until=until)) + 1
    )
    assert found.last == until


def test_a_count_goes_on_where_an_earlier_one_stopped() -> None:
    middle, end = START + timedelta(minutes=10, seconds=30), START + timedelta(minutes=20)
    known = missed(MINUTELY, START, middle)
    assert missed(MINUTELY, START, end, known) == missed(MINUTELY, START, end)
    # It is trusted, not repeated: a made-up count shows in the sum.
    made_up = Missed(MINUTELY, START, middle, 1000, START, middle)
    assert missed(MINUTELY, START, end, made_up).count == 1010


@pytest.mark.parametrize(
    "other",
    [
        Missed(CronRule("*/2 * * * *", "UTC"), START, START, 99, START, START),
        Missed(MINUTELY, START - timedelta(minutes=1), START, 99, START, START),
        Missed(MINUTELY, START, START + timedelta(hours=9), 99, START, START),
    ],
)
def test_the_count_of_something_else_is_not_used(other: Missed) -> None:
    assert missed(MINUTELY, START, START + timedelta(minutes=1), other).count == 2


def test_the_first_after_the_latest_known_instant() -> None:
    later = START + timedelta(hours=1)
    assert first_after(MINUTELY, START, None, later) == later + timedelta(minutes=1)


@pytest.mark.django_db
def test_the_clock_is_the_databases_and_moves_within_a_transaction() -> None:
    first = database_now()
    assert database_now() > first
    assert first.utcoffset() == timedelta(0)
