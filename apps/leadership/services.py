"""What an operator may ask of leadership. The leader is told through its term's row, wherever it runs."""

from __future__ import annotations

from django.db import OperationalError, connection, transaction

from apps.leadership.models import LeaderTerm
from apps.leadership.selectors import current_term
from apps.leadership.session import STEPPED_DOWN
from apps.leadership.term import STEP_DOWN_CHANNEL
from apps.tenants.context import all_tenants_scope
from apps.tenants.services import NotAsItIs, Refused, audit

MAX_REASON = 200 - len(STEPPED_DOWN)  # characters: it becomes the term's end_reason


def step_down_request(*, reason: str, actor: str, wait: float = 5.0) -> LeaderTerm:
    """Ask the live leader to end its term; the term, which is still open then. Audited.

    Raises `Refused` without a reason or with one that is too long, and `NotAsItIs` when nobody leads or the leader's
    transaction holds its term for longer than `wait` seconds.
    """
    reason = " ".join(reason.split())
    if not reason:
        raise Refused("Stepping down needs a reason.", field="reason")
    if len(reason) > MAX_REASON:
        raise Refused(f"The reason is limited to {MAX_REASON} characters.", field="reason")
    with all_tenants_scope(), transaction.atomic():
        term = current_term()
        if term is None:
            raise NotAsItIs("Nobody leads: there is no term to end.")
        asked = LeaderTerm.objects.filter(epoch=term.epoch, term_id=term.term_id, ended_at=None)
        try:
            with connection.cursor() as cursor:
                # The leader has the row locked while it is in a transaction.
                cursor.execute(
                    "SELECT set_config('lock_timeout', %s, true)", [f"{max(1, round(wait * 1000))}ms"]
                )
            if not asked.update(step_down_reason=reason):
                raise NotAsItIs(f"Epoch {term.epoch} has just ended.")
        except OperationalError as error:
            if getattr(error.__cause__, "sqlstate", None) != "55P03":
                raise
            raise NotAsItIs(
                f"The leader of epoch {term.epoch} ({term.replica}) has been in a transaction for {wait:g} s."
            ) from error
        audit(
            actor=actor,
            action="leadership.step_down",
            object_type="term",
            object_id=term.epoch,
            reason=reason,
            data={
                "before": {"step_down_reason": term.step_down_reason},
                "after": {"step_down_reason": reason},
                "replica": term.replica,
                "host": term.host,
                "term_id": str(term.term_id),
            },
        )
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_notify(%s, '')", [STEP_DOWN_CHANNEL])
    return term
