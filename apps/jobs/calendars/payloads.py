"""Calendars as the API shows them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from apps.jobs.calendars.selectors import jobs_using
from apps.jobs.models import Calendar
from apps.tenants.models import Tenant


def calendar_payloads(tenant: Tenant, calendars: Sequence[Calendar]) -> list[dict[str, Any]]:
    """A page of calendars, in one query whatever their number; `jobs` is how many use each."""
    used = jobs_using(tenant, [calendar.pk for calendar in calendars])
    return [
        {
            "id": str(calendar.pk),
            "name": calendar.name,
            "timezone": calendar.timezone,
            "blackouts": calendar.blackouts,
            "jobs": used.get(calendar.pk, 0),
            "version": calendar.version,
            "created_at": calendar.created_at,
            "updated_at": calendar.updated_at,
        }
        for calendar in calendars
    ]
