"""Who leads, as seen from any process. The database's clock says how old a heartbeat is."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TypedDict
from uuid import UUID

from django.conf import settings
from django.db.models import DurationField, ExpressionWrapper, F
from django.db.models.functions import Now

from apps.leadership.models import LeaderTerm

MODE = "postgres_advisory_lock"


class LeadershipStatus(TypedDict):
    """`scheduler_runtime.leadership` of the API. Without a leader, the fields from `epoch` on are null."""

    mode: str
    is_leader: bool  # there is a leader, somewhere, whose heartbeat can be trusted
    execution_enabled: bool  # so due jobs become executions
    trust_window_seconds: float
    epoch: int | None
    term_id: UUID | None
    replica: str | None
    host: str | None
    process_id: int | None
    started_at: datetime | None
    heartbeat_at: datetime | None
    heartbeat_age_seconds: float | None


def current_term() -> LeaderTerm | None:
    """The open term whose heartbeat is younger than LEADER_TRUST_WINDOW; its `age` is that of the heartbeat."""
    age = ExpressionWrapper(Now() - F("heartbeat_at"), output_field=DurationField())
    return (
        LeaderTerm.objects.filter(ended_at=None)
        .annotate(age=age)
        .filter(age__lt=timedelta(seconds=settings.LEADER_TRUST_WINDOW))
        .order_by("-epoch")
        .first()
    )


def leader_silence() -> float | None:
    """Seconds since the last heartbeat of the open term, however long that is; None when no term is open."""
    age = ExpressionWrapper(Now() - F("heartbeat_at"), output_field=DurationField())
    silent: timedelta | None = (
        LeaderTerm.objects.filter(ended_at=None)
        .annotate(age=age)
        .order_by("-epoch")
        .values_list("age", flat=True)
        .first()
    )
    return None if silent is None else max(0.0, round(silent.total_seconds(), 3))


def leadership_status() -> LeadershipStatus:
    """One query."""
    term = current_term()
    age: timedelta | None = getattr(term, "age", None)
    return {
        "mode": MODE,
        "is_leader": term is not None,
        "execution_enabled": term is not None,
        "trust_window_seconds": settings.LEADER_TRUST_WINDOW,
        "epoch": term.epoch if term else None,
        "term_id": term.term_id if term else None,
        "replica": term.replica if term else None,
        "host": term.host if term else None,
        "process_id": term.process_id if term else None,
        "started_at": term.started_at if term else None,
        "heartbeat_at": term.heartbeat_at if term else None,
        "heartbeat_age_seconds": max(0.0, round(age.total_seconds(), 3)) if age is not None else None,
    }
