"""How the alerts stand, for the admin's first page and `manage.py alerts`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from apps.jobs.schedules import database_now
from apps.operations.alerts.definitions import ALERTS, STALE_SECONDS, Alert
from apps.operations.models import AlertState


class Standing(StrEnum):
    """`unknown`: nobody has evaluated it of late, or its figure could not be read."""

    FIRING = "firing"
    PENDING = "pending"
    QUIET = "quiet"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class StandingAlert:
    """`since`: when it began to fire or to hold. `age_seconds`: of the evaluation; None: there was none."""

    alert: Alert
    standing: Standing
    since: datetime | None
    value: float | None
    evaluated_at: datetime | None
    age_seconds: float | None

    @property
    def firing(self) -> bool:
        return self.standing is Standing.FIRING


def alert_states() -> list[StandingAlert]:
    """Each alert as it stands, those that fire first, pages before tickets.

    An evaluation older than STALE_SECONDS says nothing of now: its alerts are unknown, but for those that fired then,
    and SchedulerAlertsStale fires. That the database is down is not for the database to say: it answers.
    """
    rows = {row.name: row for row in AlertState.objects.all()}
    now = database_now()
    newest = max((row.evaluated_at for row in rows.values() if row.evaluated_at), default=None)
    age = (now - newest).total_seconds() if newest else None
    stale = age is None or age > STALE_SECONDS
    stand = [
        _outside(alert, newest, age, stale=stale)
        if alert.from_outside
        else _inside(alert, rows.get(alert.name), now)
        for alert in ALERTS
    ]
    order = list(Standing)
    return sorted(stand, key=lambda each: (order.index(each.standing), each.alert.severity))


def _inside(alert: Alert, row: AlertState | None, now: datetime) -> StandingAlert:
    if row is None or row.evaluated_at is None:
        return StandingAlert(alert, Standing.UNKNOWN, None, None, None, None)
    age = (now - row.evaluated_at).total_seconds()
    if row.firing_since:
        standing = Standing.FIRING
    elif age > STALE_SECONDS:
        standing = Standing.UNKNOWN
    else:
        standing = Standing.PENDING if row.pending_since else Standing.QUIET
    since = row.firing_since or row.pending_since
    return StandingAlert(alert, standing, since, row.value, row.evaluated_at, age)


def _outside(alert: Alert, newest: datetime | None, age: float | None, *, stale: bool) -> StandingAlert:
    if alert.name == "SchedulerAlertsStale":
        standing = Standing.FIRING if stale else Standing.QUIET
        return StandingAlert(alert, standing, newest if stale else None, age, newest, age)
    return StandingAlert(alert, Standing.QUIET, None, None, None, age)
