"""Crontab files as people have them: what becomes an entry, what is a problem, and which line it was."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.jobs.crontab import CrontabEntry, parse_crontab
from apps.jobs.recurrence.rules import CronRule
from apps.jobs.recurrence.times import next_after

pytestmark = pytest.mark.same_on_every_postgres

NOW = datetime(2026, 11, 24, tzinfo=UTC)
EXAMPLE = Path(__file__).parents[2] / "docs" / "examples" / "system-crontab"


def only(text: str, *, user_column: bool = False) -> CrontabEntry:
    read = parse_crontab(text, user_column=user_column)
    assert read.problems == []
    assert len(read.entries) == 1
    return read.entries[0]


def problems(text: str, *, user_column: bool = False) -> list[tuple[int, str]]:
    return [
        (found.line_number, found.sentence) for found in parse_crontab(text, user_column=user_column).problems
    ]


def test_comments_blank_lines_and_line_numbers() -> None:
    entry = only("# nightly\n\n   \t\n  # indented\n\t30 2 * * mon-fri\t/bin/backup  --all # kept\n")
    assert (entry.line_number, entry.schedule, entry.timezone) == (5, "30 2 * * MON-FRI", "UTC")
    assert (entry.command, entry.user, entry.stdin) == ("/bin/backup  --all # kept", None, None)


def test_the_user_column() -> None:
    entry = only("@daily root /bin/rotate now", user_column=True)
    assert (entry.schedule, entry.user, entry.command) == ("0 0 * * *", "root", "/bin/rotate now")


def test_variables_hold_for_the_lines_below_them() -> None:
    text = """
A=1
* * * * * first
A = "two words "
B='it is'
"C"=plain # not a comment
EMPTY=
* * * * * FOO=bar second
"""
    first, second = parse_crontab(text).entries
    assert first.environment == {"A": "1"}
    assert second.environment == {"A": "two words ", "B": "it is", "C": "plain # not a comment", "EMPTY": ""}
    assert second.command == "FOO=bar second"


def test_cron_tz_sets_the_zone_of_the_lines_below_and_tz_does_not() -> None:
    text = "TZ=Asia/Tokyo\n@daily a\nCRON_TZ=Europe/Berlin\n@daily b\nCRON_TZ=\n@daily c\n"
    read = parse_crontab(text, default_timezone="America/New_York")
    assert [entry.timezone for entry in read.entries] == [
        "America/New_York",
        "Europe/Berlin",
        "America/New_York",
    ]
    assert read.entries[1].environment == {"TZ": "Asia/Tokyo"}
    assert [(found.line_number, "CRON_TZ" in found.sentence) for found in read.notices] == [(1, True)]


@pytest.mark.parametrize(
    ("written", "command", "stdin"),
    [
        ("date +\\%F", "date +%F", None),
        ("mail bob%Hello%%Bye", "mail bob", "Hello\n\nBye\n"),
        ("cat%50\\% done%", "cat", "50% done\n"),
        ("cat%", "cat", "\n"),
        ("printf '\\n'", "printf '\\n'", None),
    ],
)
def test_percent_signs(written: str, command: str, stdin: str | None) -> None:
    entry = only(f"* * * * * {written}")
    assert (entry.command, entry.stdin) == (command, stdin)


def test_reboot_is_reported_and_left_out() -> None:
    read = parse_crontab("@daily a\n@reboot b\n")
    assert [entry.command for entry in read.entries] == ["a"]
    assert [(found.line_number, found.line) for found in read.notices] == [(2, "@reboot b")]
    assert "machine starts" in read.notices[0].sentence


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("61 * * * * run", "minute field “61”"),
        ("* * * *", "exactly five fields; this one has 4"),
        ("* * * * *", "no command"),
        ("@daily", "no command"),
        ("* * * * * %input", "no command before"),
        ("0 */5 * * * * run", "more than five time fields"),
        ("@fortnightly run", "no known shorthand"),
        ("0 0 30 2 * run", "would never run"),
        ("CRON_TZ=Mars/Olympus", "There is no time zone “Mars/Olympus”"),
        ("A-B=1", "letters, digits and underscores"),
        ('A="open', "no closing one"),
        ("* * * * * run \x00", "control characters"),
        ("hello there", "exactly five fields"),
        ("* * * * * " + "x" * 5000, "at most 4,096 characters; this has 5,010"),
    ],
)
def test_a_bad_line_is_named_and_the_others_are_still_read(line: str, words: str) -> None:
    read = parse_crontab(f"# top\n@daily before\n{line}\n@daily after\n")
    assert [found.line_number for found in read.problems] == [3]
    assert words in read.problems[0].sentence
    assert len(read.problems[0].line) <= 120
    assert [entry.command for entry in read.entries] == ["before", "after"]


def test_every_bad_line_is_named_at_once() -> None:
    assert [number for number, _ in problems("x\n@daily ok\n99 * * * * y\n")] == [1, 3]


def test_a_missing_or_unexpected_user_column_is_noticed() -> None:
    assert "user's name" in problems("@daily /bin/run", user_column=True)[0][1]
    assert "user column" in parse_crontab("@daily root /bin/run").notices[0].sentence


def test_a_plans_limit_is_a_problem_of_its_line() -> None:
    read = parse_crontab("* * * * * a\n*/5 * * * * b\n", now=NOW, min_interval_seconds=300)
    assert [found.line_number for found in read.problems] == [1]
    assert "your plan allows at most every 5 minutes" in read.problems[0].sentence


def test_a_huge_file_is_refused_whole() -> None:
    read = parse_crontab("x\n" * 1_000_000)
    assert (read.entries, len(read.problems), read.problems[0].line) == ([], 1, "")


def keys(text: str) -> list[str]:
    return [entry.external_key for entry in parse_crontab(text).entries]


def test_keys_survive_what_does_not_change_a_job() -> None:
    text = "@daily a\n0 0 * * * a\n@hourly b\n"
    before = keys(text)
    assert len(set(before)) == 3
    assert keys("# a comment\n\nX=1\n" + text.replace("@daily", "0  0 * * *")) == before
    assert all(len(key) <= 200 for key in before)


def test_keys_change_with_what_makes_a_job_another() -> None:
    variants = ["@daily a", "@hourly a", "@daily b", "@daily a%in", "CRON_TZ=Europe/Berlin\n@daily a"]
    found = [keys(text)[0] for text in variants]
    found += [
        parse_crontab(f"@daily {user} a", user_column=True).entries[0].external_key for user in ("ann", "bob")
    ]
    assert len(set(found)) == len(found)


def test_windows_line_ends_and_a_byte_order_mark() -> None:
    assert [entry.command for entry in parse_crontab("\ufeff@daily a\r\n@daily b\r\n").entries] == ["a", "b"]


def test_names_are_short() -> None:
    assert only("@daily  run   --now").name == "run --now"
    assert len(only("@daily " + "x" * 300).name) == 100


def test_the_example_imports_whole() -> None:
    read = parse_crontab(EXAMPLE.read_text(), user_column=True, now=NOW, min_interval_seconds=60)
    assert (read.problems, read.notices) == ([], [])
    assert 25 <= len(read.entries) <= 30
    assert len({entry.external_key for entry in read.entries}) == len(read.entries)
    payroll = next(entry for entry in read.entries if "payroll" in entry.command)
    assert (payroll.schedule, payroll.timezone) == ("30 2 * * *", "Europe/Berlin")
    assert all(next_after(CronRule(entry.schedule, entry.timezone), NOW) for entry in read.entries)


@given(st.text(), st.booleans())
def test_any_text_is_read(text: str, user_column: bool) -> None:
    read = parse_crontab(text, user_column=user_column, now=NOW)
    lines = text.count("\n") + 1
    assert all(1 <= entry.line_number <= lines for entry in read.entries)
    assert all(1 <= found.line_number <= lines for found in [*read.problems, *read.notices])
