"""What people are shown: upcoming runs with clock changes marked, and rules in words."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from apps.jobs.recurrence.preview import UpcomingRun, describe, preview
from apps.jobs.recurrence.rules import CronRule, DateRule, IntervalRule, ManualRule, Rule, Within

pytestmark = pytest.mark.same_on_every_postgres

BEFORE_GAP = datetime(2026, 3, 28, 12, 0, tzinfo=UTC)
BEFORE_OVERLAP = datetime(2026, 10, 24, 12, 0, tzinfo=UTC)


def test_a_run_moved_out_of_a_gap_says_so() -> None:
    runs = preview(CronRule("30 2 * * *", "Europe/Berlin"), BEFORE_GAP, 2)
    assert runs == [
        UpcomingRun(
            datetime(2026, 3, 29, 1, 0, tzinfo=UTC),
            "2026-03-29T03:00:00+02:00",
            "gap",
            "02:30 does not exist on 29 March 2026; it runs at 03:00 instead.",
        ),
        UpcomingRun(datetime(2026, 3, 30, 0, 30, tzinfo=UTC), "2026-03-30T02:30:00+02:00"),
    ]


@pytest.mark.parametrize(
    "rule",
    [
        CronRule("30 2 * * *", "Europe/Berlin", dst_gap="skip"),
        CronRule("0 * * * *", "Europe/Berlin"),
        CronRule("0 3 * * *", "Europe/Berlin"),
        CronRule("30 2 * * *", "UTC"),
    ],
)
def test_runs_that_no_gap_moves_are_unmarked(rule: CronRule) -> None:
    assert [(run.transition, run.note) for run in preview(rule, BEFORE_GAP, 20)] == [(None, "")] * 20


def test_a_day_that_never_was() -> None:
    run = preview(CronRule("0 12 30 12 *", "Pacific/Apia"), datetime(2011, 12, 1, tzinfo=UTC), 1)[0]
    assert (run.transition, run.local) == ("gap", "2011-12-31T00:00:00+14:00")
    assert run.note.startswith("12:00 does not exist on 30 December 2011")


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        (
            CronRule("30 2 * * *", "Europe/Berlin"),
            [("02:30:00+02:00", "overlap", "it runs once, the first time."), ("02:30:00+01:00", None, "")],
        ),
        (
            CronRule("30 2 * * *", "Europe/Berlin", dst_overlap="both"),
            [
                ("02:30:00+02:00", "overlap", "this is the first time."),
                ("02:30:00+01:00", "overlap", "this is the second time."),
            ],
        ),
        (
            CronRule("30 */2 * * *", "Europe/Berlin"),
            [
                ("02:30:00+02:00", "overlap", "this is the first time."),
                ("02:30:00+01:00", "overlap", "this is the second time."),
                ("04:30:00+01:00", None, ""),
            ],
        ),
    ],
)
def test_times_that_come_twice_say_so(rule: CronRule, expected: list[tuple[str, str | None, str]]) -> None:
    start = datetime(2026, 10, 24, 23, 0, tzinfo=UTC)
    runs = preview(rule, start, len(expected))
    assert [(run.local[11:], run.transition, run.note.rpartition("; ")[2]) for run in runs] == expected


def test_rules_without_a_zone_are_shown_in_the_one_asked_for() -> None:
    rule = IntervalRule(3600, BEFORE_OVERLAP)
    run = preview(rule, BEFORE_OVERLAP, 1, timezone="Asia/Kolkata")[0]
    assert (run.local, run.transition) == ("2026-10-24T18:30:00+05:30", None)
    assert preview(ManualRule(), BEFORE_OVERLAP, 5) == []


@pytest.mark.parametrize(
    ("expression", "words"),
    [
        ("* * * * *", "Every minute"),
        ("*/15 * * * *", "Every 15 minutes"),
        ("0 * * * *", "Every hour, on the hour"),
        ("17 * * * *", "Every hour, at 17 past"),
        ("0 */6 * * *", "Every 6 hours, on the hour"),
        ("30 2 * * *", "Every day at 02:30"),
        ("0 6,18 * * *", "Every day at 06:00 and 18:00"),
        ("0 9 * * 1-5", "Monday to Friday at 09:00"),
        ("0 9 * * MON", "Every Monday at 09:00"),
        ("0 9 * * 7", "Every Sunday at 09:00"),
        ("0 9 * * 2,THU", "Every Tuesday and Thursday at 09:00"),
        ("0 0 1 * *", "On day 1 of every month at 00:00"),
        ("55 23 L * *", "On the last day of every month at 23:55"),
        ("0 0 1 1 *", "Every year on 1 January at 00:00"),
        ("0 0 29 FEB *", "Every year on 29 February at 00:00"),
        # Steps that do not come out even are not “every n”, and two day fields are not one.
        ("*/7 * * * *", "Cron */7 * * * *"),
        ("0 */5 * * *", "Cron 0 */5 * * *"),
        ("0 0 1 * 1", "Cron 0 0 1 * 1"),
        ("* 2 * * *", "Cron * 2 * * *"),
    ],
)
def test_cron_rules_in_words(expression: str, words: str) -> None:
    assert describe(CronRule(expression, "Europe/Berlin")) == f"{words} (Europe/Berlin)"


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        (IntervalRule(1, BEFORE_GAP), "Every second"),
        (IntervalRule(90, BEFORE_GAP), "Every 90 seconds"),
        (IntervalRule(900, BEFORE_GAP), "Every 15 minutes"),
        (IntervalRule(86_400, BEFORE_GAP), "Every 24 hours"),
        (IntervalRule(172_800, BEFORE_GAP), "Every 2 days"),
        (DateRule(BEFORE_GAP), "Once, on 2026-03-28 12:00 UTC"),
        (ManualRule(), "Only when triggered"),
    ],
)
def test_other_rules_in_words(rule: Rule, words: str) -> None:
    assert describe(rule) == words


def test_a_window_is_in_the_wording_and_bounds_the_preview() -> None:
    start, end = datetime(2026, 3, 28, tzinfo=UTC), datetime(2026, 3, 29, 12, tzinfo=UTC)
    rule = Within(CronRule("30 2 * * *", "Europe/Berlin"), start, end)

    said = "Every day at 02:30 (Europe/Berlin), from 2026-03-28 00:00 UTC until 2026-03-29 12:00 UTC"
    assert describe(rule) == said
    assert describe(Within(IntervalRule(60, start), None, end)) == "Every minute, until 2026-03-29 12:00 UTC"
    runs = preview(rule, start - timedelta(days=1), 9)
    assert [(run.local, run.transition) for run in runs] == [
        ("2026-03-28T02:30:00+01:00", None),
        ("2026-03-29T03:00:00+02:00", "gap"),
    ]
