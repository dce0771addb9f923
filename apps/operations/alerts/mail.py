"""Mail to on-call (ONCALL_EMAIL): one when an alert begins, one when it ends."""

from __future__ import annotations

import logging
from smtplib import SMTPException

from django.conf import settings
from django.core.mail import send_mail
from django.db.models import Q

from apps.operations.alerts.definitions import SEEN_HERE
from apps.operations.models import AlertState

logger = logging.getLogger(__name__)


def mail_changes() -> int:
    """Mail what on-call was not told yet; how many. What cannot be sent is tried at the next evaluation, so that a mail
    may come twice but none is lost. Call it outside a transaction: a mail server takes its time.
    """
    if not settings.ONCALL_EMAIL:
        return 0
    states = AlertState.objects.filter(
        Q(mailed=False, firing_since__isnull=False) | Q(mailed=True, firing_since=None),
        name__in=[alert.name for alert in SEEN_HERE],
    )
    sent = 0
    for state in states.order_by("name"):
        fires = state.firing_since is not None
        try:
            _send(state, fires=fires)
        except (SMTPException, OSError):
            logger.exception("on-call could not be mailed about %s; trying again later", state.name)
            break
        AlertState.objects.filter(name=state.name).update(mailed=fires)
        sent += 1
    return sent


def _send(state: AlertState, *, fires: bool) -> None:
    alert = next(alert for alert in SEEN_HERE if alert.name == state.name)
    lines = [
        alert.summary,
        "",
        f"It fires: {alert.expression} for {alert.for_seconds} s" if fires else "It is over.",
        f"Value: {'none' if state.value is None else f'{state.value:g}'}",
        f"Evaluated: {state.evaluated_at:%Y-%m-%d %H:%M:%S} UTC",
        f"Runbook: docs/runbooks/{alert.runbook}.md",
    ]
    if fires:
        lines.insert(3, f"Since: {state.pending_since:%Y-%m-%d %H:%M:%S} UTC")
    send_mail(
        f"[{alert.severity}] {alert.name} {'fires' if fires else 'is over'}",
        "\n".join(lines),
        settings.DEFAULT_FROM_EMAIL,
        settings.ONCALL_EMAIL,
    )
