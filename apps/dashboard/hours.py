"""The last hours in numbers, as the API shows them: outcomes, how late runs started, how long they took."""

from __future__ import annotations

from typing import Any

from apps.dashboard import selectors
from apps.executions.hourly import (
    Percentiles,
    Timings,
    finished_by_hour,
    hours_until,
    skipped_by_hour,
    timings_by_hour,
)
from apps.executions.states import Outcome
from apps.jobs.models import Job
from apps.tenants.authentication import Member
from apps.tenants.identity import rows_of, user_forms

_OUTCOMES = ("succeeded", "failed", "skipped")
_NO_TIMINGS = Timings(0, None, None)


def hours_payload(member: Member, count: int) -> dict[str, Any]:
    """The `count` last hours of UTC, earliest first, in four queries (six for a member); the present hour is under way.

    An execution is of the hour of its nominal time. `sampled`: the percentiles are of the hour's latest executions, or
    more was skipped than is looked at.
    """
    tenant_id, now = member.tenant.pk, selectors.database_now()
    hours = hours_until(now, count)
    user = None if member.sees_tenant else user_forms(tenant_id, member.user_id)
    job_ids = None
    if user is not None:
        job_ids = list(Job.objects.filter(rows_of(user), tenant_id=tenant_id).values_list("id", flat=True))
    finished = finished_by_hour(tenant_id=tenant_id, user=user, hours=hours)
    timings = timings_by_hour(tenant_id=tenant_id, user=user, hours=hours)
    skipped = skipped_by_hour(tenant_id=tenant_id, job_ids=job_ids, hours=hours)
    shown: list[dict[str, Any]] = []
    for hour in hours:
        succeeded, failed = (finished.get((hour, status), 0) for status in (Outcome.SUCCESS, Outcome.FAILED))
        timing = timings.get(hour, _NO_TIMINGS)
        is_cut = skipped.cut_at is not None and hour <= skipped.cut_at
        shown.append(
            {
                "hour": hour,
                "succeeded": succeeded,
                "failed": failed,
                "skipped": skipped.by_hour.get(hour, 0),
                "lag_ms": _percentiles(timing.lag_ms),
                "duration_ms": _percentiles(timing.duration_ms),
                "sampled": is_cut or timing.n < succeeded + failed,
            }
        )
    totals = {name: sum(one[name] for one in shown) for name in _OUTCOMES}
    return {"hours": shown, "totals": totals, "last_updated": now}


def _percentiles(found: Percentiles | None) -> dict[str, int] | None:
    return None if found is None else found._asdict()
