"""The next hours by the minute, as the API shows them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from apps.jobs.forecast.curve import suggested
from apps.jobs.forecast.reading import forecast
from apps.tenants.authentication import Member


def forecast_payload(member: Member, hours: int) -> dict[str, Any]:
    """What the jobs that the member may see will start, as they are and with the jitter that is suggested for them."""
    user_id = None if member.sees_tenant else member.user_id
    found = forecast(member.tenant, user_id=user_id, hours=hours)
    minutes, options = found.curve.starts(), found.curve.options()
    jitter = suggested(options)
    flattened = found.curve.flattened(jitter)
    return {
        "from": found.start,
        "minutes": minutes,
        "flattened": flattened,
        "suggested_jitter_seconds": jitter,
        "peak": _peak(minutes, found.start),
        "flattened_peak": _peak(flattened, found.start),
        "total": sum(minutes),
        "jobs": found.jobs,
        "left_out": found.left_out,
        "options": [option._asdict() for option in options],
    }


def _peak(minutes: Sequence[int], start: datetime) -> dict[str, Any]:
    """The first of the fullest minutes."""
    count = max(minutes)
    return {"at": start + timedelta(minutes=minutes.index(count)), "count": count}
