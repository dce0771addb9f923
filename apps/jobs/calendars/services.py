"""Every change that a person makes to a calendar: one transaction, with an audit entry."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db import transaction

from apps.jobs.calendars.entries import canonical_entries, difference
from apps.jobs.calendars.selectors import calendars_of, jobs_using
from apps.jobs.editing import WHOLE_JOB, hold_names
from apps.jobs.fields import name_text
from apps.jobs.models import Calendar, Job
from apps.jobs.recurrence.errors import ScheduleError
from apps.jobs.recurrence.zones import zone
from apps.jobs.schedules import database_now
from apps.jobs.specs import JobRefused, VersionConflict
from apps.tenants.context import tenant_scope
from apps.tenants.models import Tenant
from apps.tenants.services import audit

FIELDS = frozenset({"name", "timezone", "blackouts"})
MAX_CALENDARS = 50  # of a tenant


class CalendarNotFound(LookupError):
    """The tenant has no such calendar."""


class CalendarInUse(Exception):
    """`jobs` jobs name the calendar."""

    def __init__(self, jobs: int) -> None:
        super().__init__(f"{jobs:,} jobs use this calendar; take it out of them first.")
        self.jobs = jobs


def calendar_create(
    *, tenant: Tenant, name: Any, timezone: Any = "UTC", blackouts: Any = (), actor: str
) -> Calendar:
    """A new calendar. Raises JobRefused with a sentence by field."""
    columns = _checked({"name": name, "timezone": timezone, "blackouts": blackouts})
    with tenant_scope(tenant), transaction.atomic():
        hold_names(tenant)
        _refuse_taken_name(tenant, columns["name"])
        if (count := calendars_of(tenant).count()) >= MAX_CALENDARS:
            raise JobRefused(
                {WHOLE_JOB: f"A tenant has at most {MAX_CALENDARS} calendars; you have {count}."}
            )
        calendar = Calendar.objects.create(tenant=tenant, **columns)
        _audit(tenant, calendar, "calendar.create", actor, before=None)
    return calendar


def calendar_update(
    *,
    tenant: Tenant,
    calendar_id: int,
    changes: Mapping[str, Any],
    actor: str,
    expected_version: int | None = None,
) -> Calendar:
    """Change a calendar; it counts for every time that is not dispatched yet. Changing nothing keeps the version.

    Raises CalendarNotFound, JobRefused, VersionConflict.
    """
    with tenant_scope(tenant), transaction.atomic():
        hold_names(tenant)
        calendar = _locked(tenant, calendar_id, expected_version)
        columns, before = _checked(changes), _state(calendar)
        different = {name: value for name, value in columns.items() if getattr(calendar, name) != value}
        if not different:
            return calendar
        if "name" in different:
            _refuse_taken_name(tenant, columns["name"])
        for name, value in different.items():
            setattr(calendar, name, value)
        calendar.version += 1
        calendar.updated_at = database_now()
        calendar.save(update_fields=[*different, "version", "updated_at"])
        _audit(tenant, calendar, "calendar.update", actor, before=before)
    return calendar


def calendar_delete(
    *, tenant: Tenant, calendar_id: int, actor: str, expected_version: int | None = None
) -> Calendar:
    """Forget a calendar that no job uses; what it was. Raises CalendarNotFound, CalendarInUse, VersionConflict."""
    with tenant_scope(tenant), transaction.atomic():
        hold_names(tenant)
        calendar = _locked(tenant, calendar_id, expected_version)
        if used := jobs_using(tenant, [calendar_id]).get(calendar_id, 0):
            raise CalendarInUse(used)
        # Deleted jobs keep their rows for their history; none of them will look at a calendar again.
        Job.objects.filter(tenant=tenant, calendar_id=calendar_id).update(calendar_id=None)
        _audit(tenant, calendar, "calendar.delete", actor, before=_state(calendar))
        calendars_of(tenant).filter(pk=calendar_id).delete()
    return calendar


def _checked(given: Mapping[str, Any]) -> dict[str, Any]:
    """The columns that `given` names, in canonical form. Raises JobRefused with every complaint."""
    errors = dict.fromkeys(sorted(set(given) - FIELDS), "There is no such field.")
    columns: dict[str, Any] = {}
    for name, check in (("name", name_text), ("timezone", _zone_name), ("blackouts", canonical_entries)):
        if name in given:
            try:
                columns[name] = check(given[name])
            except JobRefused as error:
                errors |= error.errors
    if errors:
        raise JobRefused(errors)
    return columns


def _zone_name(given: Any) -> str:
    try:
        return zone(given if isinstance(given, str) else "").key
    except ScheduleError as error:
        raise JobRefused({"timezone": error.sentence}) from error


def _locked(tenant: Tenant, calendar_id: int, expected_version: int | None) -> Calendar:
    calendar = calendars_of(tenant).select_for_update().filter(pk=calendar_id).first()
    if calendar is None:
        raise CalendarNotFound(f"tenant {tenant.schema_name} has no calendar {calendar_id}")
    if expected_version is not None and expected_version != calendar.version:
        raise VersionConflict(expected=expected_version, current=calendar.version)
    return calendar


def _refuse_taken_name(tenant: Tenant, name: str) -> None:
    if calendars_of(tenant).filter(name=name).exists():
        raise JobRefused({"name": "Another calendar of yours has this name."})


def _state(calendar: Calendar) -> dict[str, Any]:
    return {name: getattr(calendar, name) for name in ("name", "timezone", "blackouts")}


def _audit(
    tenant: Tenant, calendar: Calendar, action: str, actor: str, *, before: dict[str, Any] | None
) -> None:
    """Entries are kept as what came and what went: a calendar may have a thousand."""
    after = {} if action == "calendar.delete" else _state(calendar)
    old = before or {}
    plain = [name for name in ("name", "timezone") if old.get(name) != after.get(name)]
    audit(
        actor=actor,
        action=action,
        tenant=tenant,
        object_type="calendar",
        object_id=calendar.pk,
        data={
            "version": calendar.version,
            "before": {name: old.get(name) for name in plain} if before is not None else None,
            "after": {name: after.get(name) for name in plain},
            "blackouts": difference(old.get("blackouts", []), after.get("blackouts", [])),
        },
    )
