"""Reading calendars. Every function filters by tenant beside row security."""

from __future__ import annotations

from collections.abc import Iterable

from django.db.models import Count, QuerySet

from apps.jobs.calendars.entries import blackouts_of
from apps.jobs.models import Calendar, Job
from apps.jobs.plans import Blackout
from apps.jobs.specs import JobRefused
from apps.tenants.models import Tenant

_NOT_YOURS = "There is no such calendar."


def calendars_of(tenant: Tenant) -> QuerySet[Calendar]:
    return Calendar.objects.filter(tenant=tenant)


def calendar_of(tenant: Tenant, calendar_id: int) -> Calendar | None:
    return calendars_of(tenant).filter(pk=calendar_id).first()


def jobs_using(tenant: Tenant, calendar_ids: Iterable[int]) -> dict[int, int]:
    """How many jobs name each of these calendars; those without any are left out."""
    jobs = Job.objects.filter(tenant=tenant, deleted_at=None, calendar_id__in=list(calendar_ids))
    return dict(jobs.values_list("calendar_id").annotate(Count("id")))


def blackouts_for(tenant: Tenant, calendar_id: int | None) -> tuple[Blackout, ...]:
    """The blackouts of a job's calendar. Raises ScheduleError (its zone is gone)."""
    calendar = None if calendar_id is None else calendar_of(tenant, calendar_id)
    if calendar is None:
        return ()
    return blackouts_of(calendar.name, calendar.timezone, calendar.blackouts)


def refuse_foreign_calendar(tenant: Tenant, calendar_id: int | None) -> None:
    """Raises JobRefused. Only certain under `editing.hold_names`."""
    if calendar_id is not None and calendar_of(tenant, calendar_id) is None:
        raise JobRefused({"calendar_id": _NOT_YOURS})
