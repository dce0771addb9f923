"""The demo's oracle against cases worked out by hand, and against the product, with which it shares no code."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from apps.jobs.crontab import parse_crontab
from apps.jobs.recurrence.rules import CronRule
from apps.jobs.recurrence.times import occurrences
from scheduler_saas.demo.oracle import Definition, due_between

pytestmark = pytest.mark.same_on_every_postgres

EXAMPLES = Path(__file__).resolve().parents[2] / "docs" / "examples"
BERLIN = "Europe/Berlin"


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("cron", "zone", "after", "until", "expected"),
    [
        (
            "*/15 * * * *",
            "UTC",
            "2026-05-01 10:00",
            "2026-05-01 10:30",
            ["2026-05-01 10:15", "2026-05-01 10:30"],
        ),
        (
            "30 7 * * MON-FRI",
            BERLIN,
            "2026-05-01 00:00",
            "2026-05-05 00:00",
            ["2026-05-01 05:30", "2026-05-04 05:30"],
        ),
        (
            "0 0 13 * FRI",
            "UTC",
            "2026-03-05 00:00",
            "2026-03-14 00:00",
            ["2026-03-06 00:00", "2026-03-13 00:00"],
        ),
        ("0 0 */2 * FRI", "UTC", "2026-03-05 00:00", "2026-03-14 00:00", ["2026-03-13 00:00"]),
        ("55 23 L * *", "UTC", "2026-02-27 00:00", "2026-03-01 00:00", ["2026-02-28 23:55"]),
        ("0 6 * * 7", "UTC", "2026-03-01 00:00", "2026-03-02 00:00", ["2026-03-01 06:00"]),
        ("0 0 1 JAN,APR *", "UTC", "2026-01-01 00:00", "2026-05-01 00:00", ["2026-04-01 00:00"]),
        # Spring: 02:30 does not exist, and runs as soon as the clock has jumped; every half hour just goes on.
        ("30 2 * * *", BERLIN, "2026-03-28 12:00", "2026-03-29 12:00", ["2026-03-29 01:00"]),
        ("*/30 2 * * *", BERLIN, "2026-03-28 12:00", "2026-03-29 12:00", []),
        # Autumn: 02:30 comes twice and runs once; a star in the hour follows the clock.
        ("30 2 * * *", BERLIN, "2026-10-24 12:00", "2026-10-25 12:00", ["2026-10-25 00:30"]),
        (
            "30 * * * *",
            BERLIN,
            "2026-10-25 00:00",
            "2026-10-25 02:00",
            ["2026-10-25 00:30", "2026-10-25 01:30"],
        ),
    ],
)
def test_cron_by_hand(cron: str, zone: str, after: str, until: str, expected: list[str]) -> None:
    assert due_between(Definition(cron, zone), at(after), at(until)) == [at(moment) for moment in expected]


def test_an_interval_counts_from_its_anchor_which_is_its_first_tick() -> None:
    anchor = at("2026-05-01 10:00") + timedelta(milliseconds=250)
    job = Definition(interval_seconds=2, anchor=anchor)
    two = timedelta(seconds=2)
    assert due_between(job, anchor - two, anchor + two) == [anchor, anchor + two]
    assert due_between(job, anchor, anchor + two) == [anchor + two]
    assert due_between(job, anchor - 9 * two, anchor - two) == []


def test_what_is_neither_is_refused() -> None:
    with pytest.raises(ValueError, match="only cron and interval"):
        due_between(Definition(), at("2026-05-01 10:00"), at("2026-05-01 10:01"))


@pytest.mark.parametrize(("file", "user_column"), [("system-crontab", True), ("user-crontab", False)])
@pytest.mark.parametrize("around", ["2026-03-29 01:00", "2026-10-25 01:00", "2026-12-31 23:00"])
def test_the_product_agrees_on_the_examples_around_clock_changes(
    file: str, user_column: bool, around: str
) -> None:
    parsed = parse_crontab((EXAMPLES / file).read_text(), user_column=user_column)
    assert parsed.problems == []
    after, until = at(around) - timedelta(hours=8), at(around) + timedelta(hours=30)
    ticks = 0
    for entry in parsed.entries:
        ours = due_between(Definition(entry.schedule, entry.timezone), after, until)
        theirs = occurrences(
            CronRule(entry.schedule, entry.timezone), after=after, until=until, limit=100_000
        )
        assert ours == theirs, entry
        ticks += len(ours)
    assert ticks > 1_000
