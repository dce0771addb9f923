"""A crontab becomes jobs: all of it or nothing, and the same file twice changes nothing.

Each line is a job that delivers its command to the tenant's endpoint; the scheduler itself runs no commands. A job is
found again by its `external_key`. What somebody has changed in a job since, its schedule too, stays; only the
delivered content follows the file. Jobs whose line has gone from the file are left alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from django.db import transaction

from apps.jobs import services
from apps.jobs.crontab import CrontabEntry, Problem, parse_crontab
from apps.jobs.editing import WHOLE_JOB, hold_names
from apps.jobs.models import Job
from apps.jobs.recurrence.errors import ScheduleError
from apps.jobs.schedules import database_now
from apps.jobs.selectors import jobs_by_external_key, plan_of
from apps.jobs.specs import JobRefused, JobSpec, TriggerSpec
from apps.tenants.context import tenant_scope
from apps.tenants.models import Membership, Tenant
from apps.vault.services import contents_get, endpoint_get

TARGET = "http_request"
TASK_TYPE = "crontab"
_NO_ENDPOINT = "The tenant has no endpoint to deliver the commands to; set one with set_endpoint first."


@dataclass(slots=True)
class CrontabImport:
    """What an import did, or would have done: with `problems` (or `dry_run`) nothing is changed.

    A problem of line 0 is about the whole file. Lines are numbered from 1.
    """

    dry_run: bool = False
    created: list[CrontabEntry] = field(default_factory=list)
    updated: list[CrontabEntry] = field(default_factory=list)
    unchanged: list[CrontabEntry] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    notices: list[Problem] = field(default_factory=list)


def crontab_import(
    *,
    tenant: Tenant,
    text: str,
    user_column: bool = False,
    timezone: str = "UTC",
    dry_run: bool = False,
    actor: str,
) -> CrontabImport:
    """Import `text`. Where `actor` is the user id of a member the jobs are that member's, else the tenant's alone."""
    result = CrontabImport(dry_run=dry_run)
    with tenant_scope(tenant), transaction.atomic():
        _import(tenant, text, user_column, timezone, actor, result)
        if result.problems or dry_run:
            transaction.set_rollback(True)
    return result


def _import(
    tenant: Tenant, text: str, user_column: bool, timezone: str, actor: str, result: CrontabImport
) -> None:
    try:
        file = parse_crontab(
            text,
            user_column=user_column,
            default_timezone=timezone,
            now=database_now(),
            min_interval_seconds=plan_of(tenant).min_interval_seconds,
        )
    except ScheduleError as error:
        result.problems.append(Problem(0, "", error.sentence))
        return
    result.problems, result.notices = file.problems, file.notices
    if endpoint_get() is None:
        result.problems.append(Problem(0, "", _NO_ENDPOINT))
        return
    hold_names(tenant)
    known = jobs_by_external_key(tenant, [entry.external_key for entry in file.entries])
    contents = contents_get((job.id, job.content_version) for job in known.values())
    owner = actor if Membership.objects.filter(tenant=tenant, user_id=actor).exists() else None
    for entry in file.entries:
        job = known.get(entry.external_key)
        try:
            if job is None:
                services.job_create(tenant=tenant, spec=_spec(entry, owner), actor=actor)
                result.created.append(entry)
            elif _follow(tenant, job, contents.get((job.id, job.content_version), {}), entry, actor):
                result.updated.append(entry)
            else:
                result.unchanged.append(entry)
        except JobRefused as error:
            whole = WHOLE_JOB in error.errors
            sentence = " ".join(error.errors.values())
            result.problems.append(Problem(entry.line_number, entry.name, sentence))
            if whole:
                return  # the plan is full: the next line would be told the same


def _spec(entry: CrontabEntry, owner: str | None) -> JobSpec:
    return JobSpec(
        name=entry.name,
        trigger=TriggerSpec.cron(entry.schedule, entry.timezone),
        target=TARGET,
        payload={"method": "POST", "json": _content(entry)},
        user_id=owner,
        external_key=entry.external_key,
        task_type=TASK_TYPE,
    )


def _content(entry: CrontabEntry) -> dict[str, Any]:
    """What the endpoint is sent as its JSON body."""
    return {
        "command": entry.command,
        "stdin": entry.stdin,
        "environment": entry.environment,
        "user": entry.user,
        "schedule": entry.schedule,
        "timezone": entry.timezone,
        "line": entry.line_number,
    }


def _follow(tenant: Tenant, job: Job, payload: Mapping[str, Any], entry: CrontabEntry, actor: str) -> bool:
    """Bring the delivered content up to the file's. A line that has only moved is the same line."""
    content = _content(entry)
    stored = payload.get("json")
    if isinstance(stored, Mapping) and {**stored, "line": 0} == {**content, "line": 0}:
        return False
    services.job_update(
        tenant=tenant, job_id=job.id, changes={"payload": {**payload, "json": content}}, actor=actor
    )
    return True
