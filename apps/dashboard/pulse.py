"""One small answer that open pages ask for again and again: whether anything moved, and three numbers for the bar.

A fixed number of statements, each of which reads indexes and stops at a bound, whatever the size of the history.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import Any

from apps.dashboard.selectors import events
from apps.executions.pulse import execution_pulse
from apps.jobs.pulse import job_pulse
from apps.tenants.authentication import Member
from apps.tenants.identity import user_forms

_LATEST_EVENTS = 50  # more than are written out of order


def pulse_payload(member: Member) -> dict[str, Any]:
    """Of what the member sees. `token` is another one as soon as an execution starts or ends, a job, its switch or its
    condition changes, or an event is written.
    """
    tenant = member.tenant
    user = None if member.sees_tenant else user_forms(tenant.pk, member.user_id)
    executions = execution_pulse(tenant_id=tenant.pk, user=user)
    jobs = job_pulse(tenant_id=tenant.pk, user=user)
    moves = (executions.waiting, *executions.moves, *jobs.moves, *_events(member))
    return {
        "token": blake2b(repr(moves).encode(), digest_size=12).hexdigest(),
        "running": executions.running,
        "waiting": executions.waiting,
        "attention": jobs.attention,
        "last_updated": executions.at,
    }


def _events(member: Member) -> list[int]:
    """A member sees the events of their own jobs, and those are written with changes that are moves already."""
    if not member.sees_tenant:
        return []
    latest = events(member.tenant, None).order_by("-event_date", "-id")
    return list(latest.values_list("id", flat=True)[:_LATEST_EVENTS])
