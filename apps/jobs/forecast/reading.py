"""A tenant's jobs as groups with one schedule each. Filters by tenant beside row security."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.contrib.postgres.aggregates import ArrayAgg
from django.db.models import (
    Case,
    Count,
    DateTimeField,
    DurationField,
    ExpressionWrapper,
    F,
    Q,
    QuerySet,
    Value,
    When,
)
from django.db.models.functions import Greatest, TruncMinute

from apps.jobs.calendars.entries import blackouts_of
from apps.jobs.calendars.selectors import calendars_of
from apps.jobs.forecast.counting import Forecast, Group, forecast_of
from apps.jobs.models import Job
from apps.jobs.plans import Blackout
from apps.jobs.recurrence.rules import Rule, Within, within
from apps.jobs.schedules import database_now, rule_of
from apps.jobs.states import Switch
from apps.tenants.identity import user_rows
from apps.tenants.models import Tenant

_COLUMNS = (
    "trigger_type",
    "cron_expression",
    "timezone",
    "interval_seconds",
    "anchor_at",
    "run_date",
    "dst_gap",
    "dst_overlap",
    "starts_at",
    "ends_at",
    "calendar_id",
    "jitter_seconds",
    "not_before",
)
_SECOND, _MINUTE, _INSTANT = timedelta(seconds=1), timedelta(minutes=1), timedelta(microseconds=1)


def forecast(tenant: Tenant, *, user_id: str | None, hours: int, now: datetime | None = None) -> Forecast:
    """What the active jobs of the tenant, or of one user, start in so many hours from the next full minute on."""
    start = _full_minute(now or database_now())
    jobs = Job.objects.filter(
        tenant=tenant, deleted_at=None, switch=Switch.ACTIVE, cursor__next_run_at__isnull=False
    )
    if user_id is not None:
        jobs = jobs.filter(user_rows(tenant.pk, user_id))
    # Those due later have no part in it and are only counted; with jitter the run of an earlier time may still start.
    has_part = Q(cursor__next_run_at__lt=start + timedelta(hours=hours)) | Q(jitter_seconds__gt=0)
    rows = list(_rows(jobs.filter(has_part), start))
    later = jobs.count() - sum(row.n for row in rows)
    groups, broken = _groups(tenant, rows, start)
    found = forecast_of(groups, start=start, minutes=60 * hours)
    return Forecast(start, found.curve, found.jobs + max(later, 0), found.left_out + broken)


def _full_minute(instant: datetime) -> datetime:
    """The first that is not earlier."""
    return (instant + _MINUTE - _INSTANT).replace(second=0, microsecond=0)


def _rows(jobs: QuerySet[Job], start: datetime) -> Any:
    """Times do not run while a job cools off; nor, of a schedule made or resumed less than its jitter ago, those before
    `start`. Cool-offs end at full minutes here, so that jobs that failed together stay together.
    """
    cools = Case(
        When(
            cursor__cool_off_until__gt=start,
            then=TruncMinute(F("cursor__cool_off_until") + Value(_MINUTE - _INSTANT)),
        ),
        output_field=DateTimeField(),
    )
    jitter = ExpressionWrapper(F("jitter_seconds") * Value(_SECOND), output_field=DurationField())
    is_new = When(
        jitter_seconds__gt=0, schedule_since__gt=Value(start, DateTimeField()) - jitter, then=Value(start)
    )
    return (
        jobs.annotate(not_before=Greatest(cools, Case(is_new, output_field=DateTimeField())))
        .order_by()
        .values(*_COLUMNS)
        .annotate(n=Count("id"), job_ids=ArrayAgg("id", filter=Q(jitter_seconds__gt=0)))
        .values_list(*_COLUMNS, "n", "job_ids", named=True)
    )


def _groups(tenant: Tenant, rows: list[Any], start: datetime) -> tuple[list[Group], int]:
    """And how many jobs have a row that is no schedule.

    A window that is open already makes no difference: those jobs are counted together, whenever each of theirs began.
    """
    used = {row.calendar_id for row in rows if row.calendar_id is not None}
    blackouts = {one.pk: _blackouts(one) for one in calendars_of(tenant).filter(pk__in=used)} if used else {}
    alike: dict[tuple[Any, ...], list[Any]] = {}
    broken = 0
    for row in rows:
        try:
            rule = _open(rule_of(row), start - timedelta(seconds=row.jitter_seconds))
        except ValueError:
            broken += row.n
            continue
        alike.setdefault((rule, row.jitter_seconds, row.not_before, row.calendar_id), []).append(row)
    groups = [
        Group(
            rule,
            sum(row.n for row in same),
            tuple(job_id for row in same for job_id in row.job_ids or ()),
            jitter_seconds,
            not_before,
            blackouts.get(calendar_id, ()),
        )
        for (rule, jitter_seconds, not_before, calendar_id), same in alike.items()
    ]
    return groups, broken


def _open(rule: Rule, at: datetime) -> Rule:
    """The same rule from `at` on, without the beginning of a window that is open by then."""
    if isinstance(rule, Within) and rule.start is not None and rule.start <= at:
        return within(rule.rule, None, rule.end)
    return rule


def _blackouts(calendar: Any) -> tuple[Blackout, ...]:
    try:
        return blackouts_of(calendar.name, calendar.timezone, calendar.blackouts)
    except ValueError:  # ScheduleError is one: the calendar's zone is gone
        return ()
