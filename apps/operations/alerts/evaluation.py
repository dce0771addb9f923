"""The alerts without Prometheus: a reading of the gauges moves each `AlertState`."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Max

from apps.jobs.schedules import database_now
from apps.leadership.alone import alone
from apps.leadership.locks import Lock
from apps.operations.alerts.definitions import SEEN_HERE, STALE_SECONDS, Alert
from apps.operations.alerts.mail import mail_changes
from apps.operations.alerts.measures import Figures, known
from apps.operations.gauges import read_gauges
from apps.operations.models import AlertState

logger = logging.getLogger(__name__)
_STALE, _GONE = timedelta(seconds=STALE_SECONDS), timedelta(days=1)
_COLUMNS = ["pending_since", "firing_since", "value", "evaluated_at"]


@dataclass(frozen=True, slots=True)
class Changes:
    """Names of alerts that began and that ended to fire."""

    began: tuple[str, ...]
    ended: tuple[str, ...]


def evaluate_alone(*, unless_within: float = 0.0) -> Changes | None:
    """Evaluate and mail, while no other process does. None: another is at it, or was within so many seconds."""
    with alone(Lock.ALERTS) as held:
        if not held or _age() < unless_within:
            return None
        changes = evaluate(read_gauges())
        mail_changes()
        return changes


def evaluate(
    figures: Figures, *, now: datetime | None = None, alerts: Sequence[Alert] = SEEN_HERE
) -> Changes:
    """Move the states by `figures` as of `now`, the database's clock. Rows are held: no alert begins with two."""
    names = [alert.name for alert in alerts]
    with transaction.atomic():
        AlertState.objects.bulk_create([AlertState(name=name) for name in names], ignore_conflicts=True)
        rows = AlertState.objects.filter(name__in=names).order_by("name").select_for_update()
        states = {state.name: state for state in rows}
        at = now or database_now()
        # Not at once: workers of the next release may know of more.
        AlertState.objects.exclude(name__in=names).filter(evaluated_at__lt=at - _GONE).delete()
        were = {name for name, state in states.items() if state.firing_since}
        for alert in alerts:
            if known(alert.measure, figures):  # else it stands as before, and grows old
                _move(states[alert.name], alert, alert.value(figures), at)
        AlertState.objects.bulk_update(states.values(), _COLUMNS)
        are = {name for name, state in states.items() if state.firing_since}
    changes = Changes(tuple(sorted(are - were)), tuple(sorted(were - are)))
    for name in changes.began:
        logger.warning("alert %s fires (value %s)", name, states[name].value)
    for name in changes.ended:
        logger.warning("alert %s is over", name)
    return changes


def _move(state: AlertState, alert: Alert, value: float | None, now: datetime) -> None:
    if not alert.holds(value):
        state.pending_since = state.firing_since = None
    else:
        unseen = state.evaluated_at is None or now - state.evaluated_at > _STALE
        if state.pending_since is None or (unseen and state.firing_since is None):
            state.pending_since = now  # what was while nobody looked is not known
        if state.firing_since is None and now - state.pending_since >= timedelta(seconds=alert.for_seconds):
            state.firing_since = now
    state.value, state.evaluated_at = value, now


def evaluated_at() -> datetime | None:
    newest: datetime | None = AlertState.objects.aggregate(newest=Max("evaluated_at"))["newest"]
    return newest


def _age() -> float:
    newest = evaluated_at()
    return (database_now() - newest).total_seconds() if newest else float("inf")
