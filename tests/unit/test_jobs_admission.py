"""What a job may ask: every refusal is a sentence under the name of its field."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from apps.jobs.admission import MAX_PAYLOAD, admit
from apps.jobs.fields import reason_text
from apps.jobs.recurrence.rules import CronRule, IntervalRule
from apps.jobs.specs import JobRefused, JobSpec, TriggerSpec, changed
from apps.tenants.models import Plan

pytestmark = pytest.mark.same_on_every_postgres

NOW = datetime(2026, 5, 4, 12, 0, 30, tzinfo=UTC)
PLAN = Plan(name="tests", min_interval_seconds=60, max_timeout_seconds=600, allowed_tasks=[])
GOOD = JobSpec(name="nightly report", trigger=TriggerSpec.cron("30 2 * * *", "Europe/Berlin"))


def refusal(spec: JobSpec, *, plan: Plan = PLAN, before: JobSpec | None = None) -> dict[str, str]:
    with pytest.raises(JobRefused) as caught:
        admit(plan=plan, spec=spec, now=NOW, before=before)
    return caught.value.errors


def test_what_is_stored_is_canonical() -> None:
    trigger = TriggerSpec(trigger_type="cron", cron_expression=" @daily ", timezone="UTC", interval_seconds=5)
    admitted = admit(plan=PLAN, spec=replace(GOOD, name="  nightly  ", trigger=trigger), now=NOW)
    assert admitted.rule == CronRule("0 0 * * *", "UTC")
    assert admitted.columns["name"] == "nightly"
    assert admitted.columns["task_type"] == "http_request"
    assert admitted.columns["cron_expression"] == "0 0 * * *"
    assert admitted.columns["interval_seconds"] is None


def test_an_interval_counts_from_the_time_of_saving() -> None:
    admitted = admit(plan=PLAN, spec=replace(GOOD, trigger=TriggerSpec.every(90)), now=NOW)
    assert admitted.rule == IntervalRule(90, NOW)
    assert admitted.columns["anchor_at"] == NOW


@pytest.mark.parametrize(
    ("field", "value", "fragment"),
    [
        ("name", "", "cannot be empty"),
        ("name", "   ", "cannot be empty"),
        ("name", 7, "has to be text"),
        ("name", None, "has to be text"),
        ("name", "a\0b", "cannot be shown"),
        ("name", "two\nlines", "cannot be shown"),
        ("name", "half \ud800 pair", "cannot be shown"),
        ("name", "n" * 201, "At most 200 characters; this has 201"),
        ("name", "n" * 1_000_000, "this has 1,000,000"),
        ("task_type", "t\0", "cannot be shown"),
        ("user_id", ["bob"], "has to be text"),
        ("user_id", "", "cannot be empty"),
        ("legacy_user_id", 2**63, "whole number"),
        ("legacy_user_id", "7", "whole number"),
        ("website_url", "javascript:alert(1)", "begins with http"),
        ("website_url", "https://a b", "no spaces"),
        ("misfire", "sometimes", "fire_once, fire_all, skip"),
        ("overlap", None, "skip, queue, allow, replace"),
        ("timeout_seconds", 0, "from 1 to"),
        ("timeout_seconds", True, "whole number"),
        ("timeout_seconds", 1.5, "whole number"),
        ("timeout_seconds", 601, "Your plan allows a run at most 600 seconds; this asks for 601"),
        ("max_attempts", 10**30, "from 1 to 25"),
        ("priority", -101, "from -100 to 100"),
        ("target", "no.such.task", "There is no task of that name"),
        ("payload", [], "has to be an object"),
        ("payload", {"json": "x" * MAX_PAYLOAD}, "At most 262,144 bytes"),
        ("payload", {"json": float("nan")}, "cannot be written as JSON"),
        ("payload", {"json": "\ud800"}, "cannot be written as JSON"),
    ],
)
def test_a_field_that_cannot_be(field: str, value: Any, fragment: str) -> None:
    errors = refusal(replace(GOOD, **{field: value}))
    assert list(errors) == [field]
    assert fragment in errors[field]
    assert len(errors[field]) < 200


@pytest.mark.parametrize(
    ("trigger", "field", "fragment"),
    [
        (TriggerSpec.cron("0 0 30 2 *"), "cron_expression", "never run"),
        (TriggerSpec.cron("* * * * * *"), "cron_expression", "exactly five fields"),
        (TriggerSpec.cron("0 0 * * *", "Mars/Olympus"), "timezone", "no time zone"),
        (TriggerSpec.cron("*" * 1_000_000), "cron_expression", "1,000,000"),
        (TriggerSpec.every(30), "interval_seconds", "your plan allows at most every minute"),
        (TriggerSpec.once(NOW - timedelta(hours=1)), "run_date", "has passed"),
        (TriggerSpec(trigger_type="weekly"), "trigger_type", "one of cron"),
        (TriggerSpec(trigger_type="manual", timezone="Nowhere/There"), "timezone", "no time zone"),
    ],
)
def test_a_schedule_that_cannot_be(trigger: TriggerSpec, field: str, fragment: str) -> None:
    errors = refusal(replace(GOOD, trigger=trigger))
    assert list(errors) == [field]
    assert fragment in errors[field]


def test_every_complaint_is_made_at_once() -> None:
    spec = replace(GOOD, name="", max_attempts=0, target="nothing", trigger=TriggerSpec.cron("bad"))
    assert set(refusal(spec)) == {"name", "max_attempts", "target", "cron_expression"}


def test_the_targets_parameters_are_checked_by_their_names() -> None:
    errors = refusal(replace(GOOD, payload={"method": "BREW", "headers": {"a\nb": "c"}}))
    assert set(errors) == {"payload.method", "payload.headers"}
    assert set(refusal(replace(GOOD, payload={"methid": "GET"}))) == {"payload.methid"}


def test_a_task_that_the_plan_leaves_out() -> None:
    plan = Plan(name="small", min_interval_seconds=60, max_timeout_seconds=600, allowed_tasks=["http_check"])
    assert refusal(GOOD, plan=plan) == {"target": "Your plan does not include this task."}


def test_an_edit_answers_only_for_what_it_changes() -> None:
    """The plan was tightened since: the name may still be changed, the schedule only within the plan."""
    plan = Plan(
        name="tight", min_interval_seconds=172_800, max_timeout_seconds=5, allowed_tasks=["http_check"]
    )
    admitted = admit(plan=plan, spec=replace(GOOD, name="renamed"), now=NOW, before=GOOD)
    assert admitted.rule is None
    assert admitted.columns["name"] == "renamed"
    errors = refusal(
        changed(GOOD, {"cron_expression": "31 2 * * *", "timeout_seconds": 59}), plan=plan, before=GOOD
    )
    assert set(errors) == {"cron_expression", "timeout_seconds"}


def test_another_kind_of_trigger_forgets_the_old_ones_fields() -> None:
    spec = changed(GOOD, {"trigger_type": "interval", "interval_seconds": 300})
    assert spec.trigger == TriggerSpec(
        trigger_type="interval", interval_seconds=300, timezone="Europe/Berlin"
    )


def test_a_change_of_something_that_is_no_field() -> None:
    with pytest.raises(JobRefused) as caught:
        changed(GOOD, {"version": 7, "tenant_id": 1, "name": "x"})
    assert set(caught.value.errors) == {"version", "tenant_id"}


@pytest.mark.parametrize("reason", ["r" * 501, "a\0b", 7, None])
def test_a_reason_that_cannot_be(reason: Any) -> None:
    with pytest.raises(JobRefused) as caught:
        reason_text(reason)
    assert list(caught.value.errors) == ["reason"]
