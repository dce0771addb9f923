"""Whether a job may be what its spec asks, by the rules of time, the tenant's plan and the target's parameters.

Every complaint is found before the spec is refused, so that a form is mended in one go. An edit answers only for what
it changes: a plan that was tightened since does not keep anybody from renaming an old job.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from rest_framework.exceptions import ValidationError

from apps.executions.targets import registry
from apps.jobs.fields import complaints, trimmed
from apps.jobs.platforms import registry as platforms
from apps.jobs.recurrence.errors import ScheduleError
from apps.jobs.recurrence.rules import CronRule, DateRule, IntervalRule, Rule, Within, bare
from apps.jobs.recurrence.validation import validate
from apps.jobs.recurrence.zones import zone
from apps.jobs.specs import COLUMNS, TRIGGER_FIELDS, JobRefused, JobSpec, TriggerSpec
from apps.jobs.states import Trigger
from apps.tenants.models import Plan

_NO_MONITOR = "Jobs of this category monitor a platform: target and task_type are its name and _insights."
MAX_PAYLOAD = 256 * 1024  # bytes of JSON


@dataclass(frozen=True, slots=True)
class Admitted:
    """What is stored: `columns` of the job, those of the trigger in canonical form only where it was looked at.

    `rule` is None where an edit left the trigger alone.
    """

    rule: Rule | None
    columns: dict[str, Any]
    payload: dict[str, Any]


def admit(*, plan: Plan, spec: JobSpec, now: datetime, before: JobSpec | None = None) -> Admitted:
    """Check `spec` under `plan` at `now`; `before` is what the job was until this edit. Raises JobRefused."""
    errors: dict[str, str] = {}
    columns = {name: trimmed(getattr(spec, name)) for name in COLUMNS}
    columns["task_type"] = columns["task_type"] or columns["target"]
    for name, sentence in complaints(columns):
        errors.setdefault(name, sentence)
    for name, sentence in _beyond_plan(plan, columns, before):
        errors.setdefault(name, sentence)
    if not platforms.monitors(columns):
        errors.setdefault("task_category", _NO_MONITOR)
    if before is None or (spec.target, spec.payload) != (before.target, before.payload):
        errors |= _payload_errors(spec, errors)
    rule = None
    if before is None or spec.trigger != before.trigger:
        try:
            rule = trigger_rule(spec.trigger, now=now, least=plan.min_interval_seconds)
            columns |= trigger_columns(spec.trigger, rule)
        except ScheduleError as error:
            errors[error.field] = error.sentence
    if errors:
        raise JobRefused(errors)
    return Admitted(rule, columns, dict(spec.payload))


def trigger_rule(trigger: TriggerSpec, *, now: datetime, least: int) -> Rule:
    """The rule of a trigger that nobody has checked yet. Raises ScheduleError."""
    given: dict[str, Any] = {name: getattr(trigger, name) for name in TRIGGER_FIELDS}
    timezone = given["timezone"]
    zone(timezone if isinstance(timezone, str) else "")  # the triggers that need none are shown in it
    return validate(**given, now=now, min_interval_seconds=least)


def _beyond_plan(plan: Plan, columns: Mapping[str, Any], before: JobSpec | None) -> Iterator[tuple[str, str]]:
    target, timeout = columns["target"], columns["timeout_seconds"]
    if before is None or target != before.target:
        if target not in registry.registered_names():
            yield "target", "There is no task of that name."
        elif not registry.is_allowed(target, plan.allowed_tasks):
            yield "target", "Your plan does not include this task."
    if before is None or timeout != before.timeout_seconds:
        most = plan.max_timeout_seconds
        if isinstance(timeout, int) and timeout > most:
            yield (
                "timeout_seconds",
                f"Your plan allows a run at most {most:,} seconds; this asks for {timeout:,}.",
            )


def _payload_errors(spec: JobSpec, errors: Mapping[str, str]) -> dict[str, str]:
    payload: Any = spec.payload
    if not isinstance(payload, Mapping):
        return {"payload": "This has to be an object."}
    try:
        # Encoded, because half a surrogate pair passes as JSON but could never be shown again.
        size = len(json.dumps(dict(payload), allow_nan=False, ensure_ascii=False).encode())
    except (TypeError, ValueError, RecursionError):
        return {"payload": "This cannot be written as JSON."}
    if size > MAX_PAYLOAD:
        return {"payload": f"At most {MAX_PAYLOAD:,} bytes of JSON; this has {size:,}."}
    if "target" in errors:
        return {}
    try:
        registry.validate_params(spec.target.strip(), payload)
    except ValidationError as error:
        return dict(_flat("payload", error.detail))
    except registry.UnknownTask:
        return {}  # the target was left as it is and is no longer registered; its runs say so
    return {}


def _flat(path: str, detail: Any) -> Iterator[tuple[str, str]]:
    """DRF's nested errors as one sentence for each path."""
    if isinstance(detail, Mapping):
        for key, value in detail.items():
            yield from _flat(path if key == "non_field_errors" else f"{path}.{key}", value)
    elif isinstance(detail, list) and any(isinstance(item, Mapping | list) for item in detail):
        for index, item in enumerate(detail):
            yield from _flat(f"{path}.{index}", item)
    elif detail:
        yield path, " ".join(str(item) for item in detail) if isinstance(detail, list) else str(detail)


def trigger_columns(trigger: TriggerSpec, rule: Rule) -> dict[str, Any]:
    """Canonical values; the columns of other triggers are emptied."""
    columns: dict[str, Any] = {
        "trigger_type": Trigger(trigger.trigger_type).value,
        "timezone": trigger.timezone,
        "cron_expression": "",
        "interval_seconds": None,
        "anchor_at": None,
        "run_date": None,
        "dst_gap": TriggerSpec.manual().dst_gap,
        "dst_overlap": TriggerSpec.manual().dst_overlap,
        "starts_at": rule.start if isinstance(rule, Within) else None,
        "ends_at": rule.end if isinstance(rule, Within) else None,
    }
    match rule := bare(rule):
        case CronRule():
            columns |= {
                "cron_expression": rule.expression,
                "dst_gap": rule.dst_gap,
                "dst_overlap": rule.dst_overlap,
            }
        case IntervalRule():
            columns |= {"interval_seconds": rule.seconds, "anchor_at": rule.anchor}
        case DateRule():
            columns |= {"run_date": rule.at}
    return columns
