"""Taking hold of a job and writing it back: what every service does before and after its own part.

Inside the service's transaction and the tenant's scope.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from apps.jobs.models import Cursor, Job
from apps.jobs.schedules import database_now
from apps.jobs.specs import JobNotFound, JobRefused, VersionConflict
from apps.tenants.identity import both_forms, canonical
from apps.tenants.models import Tenant
from apps.vault.services import contents_get

WHOLE_JOB = "non_field_errors"
_PLACE = [
    "version",
    "next_run_at",
    "last_scheduled_for",
    "paused_from",
    "quarantined_at",
    "quarantine_reason",
    "cool_off_until",
    "cool_offs",
]
_NO_CURSOR = "This job has lost its place in the schedule; an operator has to reconcile it first."


def locked(tenant: Tenant, job_id: int, expected_version: int | None) -> tuple[Job, Cursor]:
    """The cursor, locked, and then the job as it is under that lock.

    Raises JobNotFound, JobRefused (it has no cursor), VersionConflict.
    """
    cursor = Cursor.objects.select_for_update().filter(tenant=tenant, job_id=job_id).first()
    job = Job.objects.filter(tenant=tenant, id=job_id, deleted_at=None).first()
    if job is None:
        raise JobNotFound(f"tenant {tenant.schema_name} has no job {job_id}")
    if cursor is None:
        raise JobRefused({WHOLE_JOB: _NO_CURSOR})
    if expected_version is not None and expected_version != job.version:
        raise VersionConflict(expected=expected_version, current=job.version)
    job.tenant = tenant
    job.cursor = cursor
    return job, cursor


def save(job: Job, cursor: Cursor, columns: list[str]) -> None:
    """Write those columns of the job, as its next version, and where its cursor stands."""
    job.version += 1
    job.updated_at = database_now()
    job.save(update_fields=[*columns, "schedule_since", "version", "updated_at"])
    cursor.version = job.version
    cursor.save(update_fields=_PLACE)


def payload_of(job: Job, changes: Mapping[str, Any]) -> dict[str, Any]:
    """The job's content, for an edit to be compared with.

    Where the vault has lost it or cannot open it: nothing, or what no payload equals if the edit gives one, which is
    then checked and put in its place.
    """
    key = (job.id, job.content_version)
    return contents_get([key]).get(key, {"": "lost"} if "payload" in changes else {})


def hold_names(tenant: Tenant) -> None:
    """Until the transaction ends, nobody else may add to the tenant's jobs and calendars, claim an external key or a
    calendar's name, or take a calendar away.
    """
    Tenant.objects.select_for_update(no_key=True).get(pk=tenant.pk)


def refuse_taken_key(tenant: Tenant, external_key: str | None) -> None:
    """Raises JobRefused. Only certain under `hold_names`."""
    taken = Job.objects.filter(tenant=tenant, deleted_at=None, external_key=external_key)
    if external_key is not None and taken.exists():
        raise JobRefused({"external_key": "Another job of yours has this key."})


def user_ids(
    tenant: Tenant, columns: Mapping[str, Any], given: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Both forms of the user's id, from whichever was given."""
    given = columns if given is None else given
    user_id, legacy = given.get("user_id"), given.get("legacy_user_id")
    if user_id is None and legacy is not None:
        user_id = canonical(tenant.pk, None, legacy)
    text, number = both_forms(tenant.pk, user_id.strip() if user_id is not None else None)
    return {"user_id": text, "legacy_user_id": legacy if number is None else number}
