"""What a tenant's plan allows and what the tenant uses of it, as the API shows it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from apps.jobs.quotas import consumption_of
from apps.tenants.models import Tenant


def usage_payload(tenant: Tenant) -> dict[str, Any]:
    """Limits of 0, which are none, are null. Executions are counted only while the plan limits them."""
    has = consumption_of(tenant)
    minute, day = has.used if has.used is not None else (None, None)
    return {
        "plan": has.plan.name,
        "jobs": {"limit": has.plan.max_jobs, "used": has.jobs},
        "concurrency": {"limit": has.plan.max_concurrency or None, "used": has.running},
        "executions_per_minute": _made(has.plan.executions_per_minute, minute, has.minute_ends),
        "executions_per_day": _made(has.plan.executions_per_day, day, has.day_ends),
    }


def _made(limit: int, used: int | None, resets_at: datetime) -> dict[str, Any]:
    return {"limit": limit or None, "used": used, "resets_at": resets_at}
