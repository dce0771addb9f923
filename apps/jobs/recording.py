"""What the audit trail keeps of a job: everything on-call may see of it, before and after a change.

What a job sends stays out: an edit of it shows as another `content_version`, and addresses are kept without the parts
that may be a password (user, query, fragment). A reason is kept as it was given.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from apps.jobs.models import Cursor, Job
from apps.jobs.specs import COLUMNS, TRIGGER_FIELDS

OF_JOB = (*COLUMNS, *TRIGGER_FIELDS, "content_version", "switch", "pause_reason", "paused_at", "deleted_at")
OF_CURSOR = ("next_run_at", "cool_off_until", "quarantine_reason")
State = Mapping[str, Any]


def state_of(job: Job) -> State:
    """The job and its cursor as they are in memory, as JSON."""
    cursor: Cursor | None = getattr(job, "cursor", None)
    state = {name: _plain(getattr(job, name)) for name in OF_JOB}
    state |= {name: _plain(getattr(cursor, name, None)) for name in OF_CURSOR}
    return {**state, "website_url": _without_secrets(job.website_url)}


def difference(before: State | None, after: State) -> dict[str, Any]:
    """`before` and `after` of what differs; of a new job everything, with null before."""
    if before is None:
        return {"before": None, "after": dict(after)}
    names = [name for name in after if before[name] != after[name]]
    return {"before": {name: before[name] for name in names}, "after": {name: after[name] for name in names}}


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    return value if value is None or isinstance(value, (bool, int, float)) else str(value)


def _without_secrets(url: str | None) -> str | None:
    if not url:
        return url
    try:
        parts = urlsplit(url)
    except ValueError:
        return "(not an address)"
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit((parts.scheme, host, parts.path, "…" if parts.query else "", ""))
