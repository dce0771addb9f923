"""What a job can be asked to be, and how a refusal reads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import datetime
from typing import Any

from apps.jobs.models import Job
from apps.jobs.states import DstGap, DstOverlap, Misfire, Overlap, Trigger


class JobRefused(ValueError):
    """A request that cannot be granted. `errors` has a sentence for a person by field of `JobSpec` or `TriggerSpec`;
    inside the payload the key goes on with dots (`payload.url`).
    """

    def __init__(self, errors: Mapping[str, str]) -> None:
        super().__init__(" ".join(f"{name}: {sentence}" for name, sentence in errors.items()))
        self.errors = dict(errors)


class JobNotFound(LookupError):
    """The tenant has no such job, or has deleted it."""


class VersionConflict(Exception):
    """The job was changed by somebody else since it was read."""

    def __init__(self, *, expected: int, current: int) -> None:
        super().__init__(f"the job is at version {current}, not {expected}")
        self.expected = expected
        self.current = current


@dataclass(frozen=True, slots=True, kw_only=True)
class TriggerSpec:
    """When. Fields that other triggers use are ignored. Times are aware; an interval counts from `anchor_at`, which
    is the time of saving where it is left out. No time lies before `starts_at` or after `ends_at`.
    """

    trigger_type: str
    cron_expression: str = ""
    timezone: str = "UTC"
    interval_seconds: int | None = None
    anchor_at: datetime | None = None
    run_date: datetime | None = None
    dst_gap: str = DstGap.NEXT_VALID.value
    dst_overlap: str = DstOverlap.FIRST.value
    starts_at: datetime | None = None
    ends_at: datetime | None = None

    @classmethod
    def cron(cls, expression: str, timezone: str = "UTC") -> TriggerSpec:
        return cls(trigger_type=Trigger.CRON.value, cron_expression=expression, timezone=timezone)

    @classmethod
    def every(cls, seconds: int, anchor_at: datetime | None = None) -> TriggerSpec:
        return cls(trigger_type=Trigger.INTERVAL.value, interval_seconds=seconds, anchor_at=anchor_at)

    @classmethod
    def once(cls, run_date: datetime) -> TriggerSpec:
        return cls(trigger_type=Trigger.DATE.value, run_date=run_date)

    @classmethod
    def manual(cls) -> TriggerSpec:
        return cls(trigger_type=Trigger.MANUAL.value)


@dataclass(frozen=True, slots=True, kw_only=True)
class JobSpec:
    """All that a tenant decides about a job. `target` is a registered task's name and `payload` its parameters;
    `task_type` is the name that lists group by, the target's where it is left out. `user_id` may be either form.
    `calendar_id` is one of the tenant's calendars.
    """

    name: str
    trigger: TriggerSpec
    target: str = "http_request"
    payload: Mapping[str, Any] = field(default_factory=dict)
    user_id: str | None = None
    legacy_user_id: int | None = None
    external_key: str | None = None
    task_type: str = ""
    task_category: str = "general"
    platform: str | None = None
    website_url: str | None = None
    misfire: str = Misfire.FIRE_ONCE.value
    misfire_grace_seconds: int = 15
    misfire_max_runs: int = 100
    misfire_pace_seconds: int = 1
    overlap: str = Overlap.SKIP.value
    max_concurrency: int | None = None
    jitter_seconds: int = 0
    calendar_id: int | None = None
    timeout_seconds: int = 60
    max_attempts: int = 1
    retry_delay_seconds: int = 10
    retry_max_delay_seconds: int = 3600
    priority: int = 0
    cool_off_after: int = 5
    cool_off_seconds: int = 300


TRIGGER_FIELDS = tuple(item.name for item in fields(TriggerSpec))
OWN_FIELDS = tuple(item.name for item in fields(JobSpec) if item.name != "trigger")
COLUMNS = tuple(name for name in OWN_FIELDS if name != "payload")


def spec_of(job: Job, payload: Mapping[str, Any]) -> JobSpec:
    """What a stored job was asked to be."""
    trigger = TriggerSpec(**{name: getattr(job, name) for name in TRIGGER_FIELDS})
    return JobSpec(trigger=trigger, payload=payload, **{name: getattr(job, name) for name in COLUMNS})


def changed(spec: JobSpec, changes: Mapping[str, Any]) -> JobSpec:
    """`spec` with `changes` by field name, those of the trigger beside the others.

    Naming another `trigger_type` drops the old trigger's other fields but the zone. Raises JobRefused for a name
    that is no field.
    """
    unknown = [name for name in changes if name not in TRIGGER_FIELDS and name not in OWN_FIELDS]
    if unknown:
        raise JobRefused(dict.fromkeys(unknown, "There is no such field."))
    own = {name: getattr(spec, name) for name in OWN_FIELDS}
    own |= {name: value for name, value in changes.items() if name in OWN_FIELDS}
    when = {name: getattr(spec.trigger, name) for name in TRIGGER_FIELDS}
    if changes.get("trigger_type", spec.trigger.trigger_type) != spec.trigger.trigger_type:
        when = {"timezone": spec.trigger.timezone}
    when |= {name: value for name, value in changes.items() if name in TRIGGER_FIELDS}
    return JobSpec(trigger=TriggerSpec(**when), **own)
