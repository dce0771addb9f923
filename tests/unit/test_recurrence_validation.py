"""What is refused, and the sentence that says why."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apps.jobs.recurrence.rules import CronRule, DateRule, IntervalRule, ManualRule, Within
from apps.jobs.recurrence.times import next_after
from apps.jobs.recurrence.validation import MAX_INTERVAL_SECONDS, ScheduleError, validate

pytestmark = pytest.mark.same_on_every_postgres

NOW = datetime(2026, 11, 24, 15, 0, tzinfo=UTC)


def cron(expression: object, zone: object = "UTC", **more: Any) -> CronRule:
    rule = validate(trigger_type="cron", cron_expression=expression, timezone=zone, now=NOW, **more)
    assert isinstance(rule, CronRule)
    return rule


def refusal(**fields: Any) -> tuple[str, str]:
    with pytest.raises(ScheduleError) as caught:
        validate(**{"now": NOW, **fields})
    return caught.value.field, caught.value.sentence


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("  30\t2 * *   mon-fri ", "30 2 * * MON-FRI"),
        ("@daily", "0 0 * * *"),
        ("@Midnight", "0 0 * * *"),
        ("@hourly", "0 * * * *"),
        ("@weekly", "0 0 * * 0"),
        ("@monthly", "0 0 1 * *"),
        ("@yearly", "0 0 1 1 *"),
        ("@annually", "0 0 1 1 *"),
    ],
)
def test_cron_text_is_brought_to_one_form(text: str, expected: str) -> None:
    assert cron(text).expression == expected


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "is needed"),
        ("   ", "is needed"),
        ("* * * *", "exactly five fields; this one has 4"),
        ("* * * * * *", "exactly five fields; this one has 6. Seconds and years are not supported"),
        ("0 0 30 2 *", "It would never run: no month it names has a day 30"),
        ("0 0 31 4,6 *", "It would never run: no month it names has a day 31"),
        ("0 0 LW * */7", "It would never run: no date in fifty years"),
        ("R * * * *", "minute field “R” is not valid"),
        ("0 24 * * *", "hour field “24” is not valid: 0 to 23"),
        ("0 0 0 * *", "day of month field “0”"),
        ("0 0 * FOO *", "month field “FOO”"),
        ("0 0 * * FRI-MON", "day of week field “FRI-MON”"),
        ("0~59 * * * *", "random value"),
        ("*/0 * * * *", "minute field “*/0”"),
        ("@reboot", "@reboot is not supported"),
        ("@fortnightly", "no known shorthand"),
        ("@daily 5", "no known shorthand"),
        ("* * * * \x00", "plain ASCII"),
        ("٣ * * * *", "plain ASCII"),
        (None, "has to be text"),
        (5, "has to be text"),
    ],
)
def test_bad_cron_text_is_refused_with_a_sentence(text: object, words: str) -> None:
    field, sentence = refusal(trigger_type="cron", cron_expression=text)
    assert field == "cron_expression"
    assert words in sentence
    assert sentence.endswith(".")


@pytest.mark.parametrize("text", ["x" * 1_000_000, "* " * 500_000, "0," * 500_000, "@" * 1_000_000])
def test_a_megabyte_is_refused_without_an_echo(text: str) -> None:
    field, sentence = refusal(trigger_type="cron", cron_expression=text)
    assert (field, sentence) == (
        "cron_expression",
        "A cron expression has at most 256 characters; this one has 1,000,000.",
    )


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("Mars/Olympus", "There is no time zone “Mars/Olympus”"),
        ("europe/berlin", "Did you mean Europe/Berlin?"),
        ("../etc/passwd", "There is no time zone “../etc/passwd”"),
        ("/etc/localtime", "There is no time zone"),
        ("Europe", "There is no time zone “Europe”"),
        ("localtime", "There is no time zone"),
        ("right/Europe/Berlin", "There is no time zone"),
        ("UTC\x00", "not the name of a time zone"),
        ("Z" * 1_000_000, "not the name of a time zone"),
        ("", "is needed"),
        (None, "has to be text"),
    ],
)
def test_a_bogus_zone_is_refused(name: object, words: str) -> None:
    field, sentence = refusal(trigger_type="cron", cron_expression="@daily", timezone=name)
    assert field == "timezone"
    assert words in sentence
    assert len(sentence) < 200


@pytest.mark.parametrize("field", ["dst_gap", "dst_overlap"])
def test_unknown_settings_for_clock_changes_are_refused(field: str) -> None:
    assert refusal(trigger_type="cron", cron_expression="@daily", **{field: "maybe"})[0] == field


@pytest.mark.parametrize(
    ("fields", "minimum", "sentence"),
    [
        (
            {"trigger_type": "cron", "cron_expression": "* * * * *"},
            300,
            "It would run every minute; your plan allows at most every 5 minutes.",
        ),
        # Rare as a whole, but its closest two ticks are what loads the system.
        (
            {"trigger_type": "cron", "cron_expression": "0,10 3 * * 0"},
            900,
            "It would run every 10 minutes; your plan allows at most every 15 minutes.",
        ),
        # Half a day of wider gaps comes before the one across the hour.
        (
            {"trigger_type": "cron", "cron_expression": "0,3-59/2 0,2,4,6,8,10,11,16,18,20,22 * * *"},
            120,
            "It would run every minute; your plan allows at most every 2 minutes.",
        ),
        (
            {"trigger_type": "interval", "interval_seconds": 90},
            3600,
            "It would run every 90 seconds; your plan allows at most every hour.",
        ),
    ],
)
def test_more_often_than_the_plan_allows(fields: dict[str, Any], minimum: int, sentence: str) -> None:
    assert refusal(**fields, min_interval_seconds=minimum)[1] == sentence


def test_as_often_as_the_plan_allows_is_fine_in_any_season() -> None:
    # On the day summer time begins the first of these runs at 03:00 as well, half an hour before the second.
    for now in (NOW, datetime(2026, 3, 28, tzinfo=UTC)):
        fields: dict[str, Any] = {"trigger_type": "cron", "timezone": "Europe/Berlin", "now": now}
        assert validate(**fields, cron_expression="30 2,3 * * *", min_interval_seconds=3600)
    assert cron("0 0 29 2 *", min_interval_seconds=86_400)
    assert cron("* * * * *", min_interval_seconds=60)


def test_intervals() -> None:
    anchor = datetime(2026, 11, 1, 12, 0, tzinfo=timezone(timedelta(hours=1)))
    rule = validate(trigger_type="interval", interval_seconds=60, anchor_at=anchor, now=NOW)
    assert rule == IntervalRule(60, datetime(2026, 11, 1, 11, 0, tzinfo=UTC))
    by_text = validate(
        trigger_type="interval", interval_seconds="60", anchor_at="2026-11-01T12:00:00+01:00", now=NOW
    )
    assert by_text == rule
    unanchored = validate(trigger_type="interval", interval_seconds=60, now=NOW + timedelta(microseconds=5))
    assert unanchored == IntervalRule(60, NOW)


@pytest.mark.parametrize(
    "seconds",
    [0, -5, 1.5, True, None, "", "1.5", "-60", "x", "٦٠", 10**30, "9" * 1000, MAX_INTERVAL_SECONDS + 1],
)
def test_bad_intervals_are_refused(seconds: object) -> None:
    field, sentence = refusal(trigger_type="interval", interval_seconds=seconds)
    assert field == "interval_seconds"
    assert len(sentence) < 100


def test_dates() -> None:
    at = datetime(2030, 5, 1, 7, 0, tzinfo=UTC)
    for given_as in ("2030-05-01T09:00:00+02:00", "2030-05-01T07:00:00Z", at):
        assert validate(trigger_type="date", run_date=given_as, now=NOW) == DateRule(at)


@pytest.mark.parametrize(
    ("at", "words"),
    [
        (None, "is needed"),
        ("tomorrow", "not a date and time"),
        ("2030-02-30T00:00:00Z", "not a date and time"),
        ("2030-05-01T09:00:00", "needs its UTC offset"),
        ("2" * 1_000_000, "not a date and time"),
        ("9999-12-31T23:59:59-12:00", "end of the calendar"),
        (7, "not a date and time"),
        ("2026-11-24T15:00:00Z", "2026-11-24 15:00 UTC has passed"),
        ("2026-11-24T14:59:30+00:00", "2026-11-24 14:59:30 UTC has passed: it is 2026-11-24 15:00 UTC"),
    ],
)
def test_bad_dates_are_refused(at: object, words: str) -> None:
    field, sentence = refusal(trigger_type="date", run_date=at)
    assert field == "run_date"
    assert words in sentence


def test_an_edit_may_keep_a_date_that_has_come() -> None:
    at = NOW - timedelta(days=1)
    assert validate(trigger_type="date", run_date=at, now=NOW, allow_past=True) == DateRule(at)


def test_the_trigger_itself() -> None:
    assert validate(trigger_type="manual", cron_expression="nonsense", now=NOW) == ManualRule()
    assert refusal(trigger_type="hourly")[0] == "trigger_type"


def test_a_window_goes_around_any_rule_that_has_times() -> None:
    start, end = NOW + timedelta(days=1), NOW + timedelta(days=9)
    bounds = {"starts_at": start.isoformat(), "ends_at": end, "now": NOW}

    assert validate(trigger_type="cron", cron_expression="0 3 * * *", **bounds) == Within(
        CronRule("0 3 * * *", "UTC"), start, end
    )
    assert validate(trigger_type="interval", interval_seconds=60, **bounds) == Within(
        IntervalRule(60, start), start, end
    )
    assert validate(trigger_type="date", run_date=end, **bounds) == Within(DateRule(end), start, end)
    assert validate(trigger_type="manual", **bounds) == ManualRule()
    assert validate(trigger_type="cron", cron_expression="0 3 * * *", starts_at="", now=NOW) == CronRule(
        "0 3 * * *", "UTC"
    )


@pytest.mark.parametrize(
    ("bounds", "field", "words"),
    [
        ({"starts_at": NOW, "ends_at": NOW}, "ends_at", "end after it starts, at 2026-11-24 15:00 UTC"),
        ({"ends_at": NOW}, "ends_at", "2026-11-24 15:00 UTC has passed"),
        ({"ends_at": NOW + timedelta(minutes=1)}, "ends_at", "would never run"),
        ({"starts_at": "9999-12-31T12:00:00Z"}, "starts_at", "would never run"),
        ({"starts_at": 7}, "starts_at", "not a date and time"),
        ({"ends_at": "2030-01-01T00:00:00"}, "ends_at", "needs its UTC offset"),
    ],
)
def test_a_window_with_no_time_to_come_is_refused(bounds: dict[str, Any], field: str, words: str) -> None:
    at, sentence = refusal(trigger_type="cron", cron_expression="0 3 * * *", **bounds)
    assert at == field
    assert words in sentence


cron_field = st.one_of(
    st.just("*"), st.integers(0, 60).map(str), st.text("0123456789*/,-#LW?~MONJA", min_size=1, max_size=4)
)


@given(st.one_of(st.text(max_size=40), st.tuples(*[cron_field] * 5).map(" ".join)))
@settings(max_examples=200, deadline=None)
def test_any_text_is_a_rule_that_fires_or_a_sentence(text: str) -> None:
    refused: ScheduleError | None = None
    rule: CronRule | None = None
    try:
        rule = cron(text, "Europe/Berlin")
    except ScheduleError as error:
        refused = error
    if refused is not None:
        assert refused.field == "cron_expression"
        assert refused.sentence.endswith(".")
    if rule is not None:
        found = next_after(rule, NOW)
        assert found is not None
        assert found > NOW
        assert cron(rule.expression, rule.timezone) == rule
