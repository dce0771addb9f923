"""What can be done, with the answer that it must get. Part of `endpoints`' table; the tests take both."""

from __future__ import annotations

from typing import Any

from tests.contract.endpoints import Endpoint
from tests.contract.schemas import (
    calendars,
    events,
    executions,
    interventions,
    jobs,
    overview,
    people,
    platforms,
)
from tests.contract.schemas.words import Schema

JOB = {
    "name": "made here",
    "trigger": {"type": "cron", "cron_expression": "*/5 * * * *"},
    "target": "http_check",
    "payload": {"url": "https://example.com/"},
}
_REASON = {"reason": "the contract asks"}
_HOURS = {"from": "2026-01-01T00:00:00Z", "to": "2026-01-01T03:00:00Z", **_REASON}
_CALENDAR = {"name": "made here", "blackouts": [{"from": "2026-12-24", "to": "2026-12-27"}]}
_CREDENTIALS = {"credentials": {"refresh_token": "new"}, "label": "renamed"}


def _deed(
    name: str, route: str, method: str, path: str, schema: Schema, body: Any = None, **more: Any
) -> Endpoint:
    return Endpoint(name, route, path, schema, method=method, body=body, empty=None, **more)


DEEDS = [
    _deed("create a job", "job-list", "POST", "jobs", jobs.JOB, JOB, status=201, member=201),
    _deed("change a job", "job-detail", "PATCH", "jobs/{job}", jobs.JOB, {"name": "renamed"}),
    _deed("replace a job", "job-detail", "PUT", "jobs/{job}", jobs.JOB, JOB),
    _deed("delete a job", "job-detail", "DELETE", "jobs/{job}", jobs.JOB),
    _deed("preview", "job-preview", "POST", "jobs/preview", jobs.PREVIEW, {"trigger": JOB["trigger"]}),
    _deed("pause", "job-pause", "POST", "jobs/{job}/pause", jobs.JOB, _REASON),
    _deed("resume", "job-resume", "POST", "jobs/{paused}/resume", jobs.JOB, _REASON),
    _deed(
        "trigger",
        "job-trigger",
        "POST",
        "jobs/{job}/trigger",
        jobs.TRIGGERED,
        _REASON,
        status=202,
        member=202,
    ),
    _deed(
        "backfill",
        "job-backfill",
        "POST",
        "jobs/{job}/backfill",
        jobs.BACKFILLED,
        _HOURS,
        status=202,
        member=202,
    ),
    _deed("cancel", "execution-cancel", "POST", "executions/{pending}/cancel", executions.CANCELLED, _REASON),
    _deed(
        "retry",
        "execution-retry",
        "POST",
        "executions/{failed}/retry",
        executions.RETRIED,
        _REASON,
        status=202,
        member=202,
    ),
    _deed(
        "bulk retry",
        "execution-bulk-retry",
        "POST",
        "executions/bulk-retry",
        executions.BULK_RETRIED,
        {"execution_ids": ["{failed}", "{running}"]},
        status=202,
        member=202,
    ),
    _deed(
        "run now",
        "task-manual-trigger",
        "POST",
        "tasks/{type}/{failing}/manual-trigger",
        interventions.RUN_NOW,
        _REASON,
        status=202,
        member=202,
    ),
    _deed(
        "make a calendar",
        "calendar-list",
        "POST",
        "calendars",
        calendars.CALENDAR,
        _CALENDAR,
        status=201,
        member=403,
    ),
    _deed(
        "change a calendar",
        "calendar-detail",
        "PATCH",
        "calendars/{calendar}",
        calendars.CALENDAR,
        {"blackouts": []},
        member=403,
    ),
    _deed(
        "replace a calendar",
        "calendar-detail",
        "PUT",
        "calendars/{calendar}",
        calendars.CALENDAR,
        _CALENDAR,
        member=403,
    ),
    _deed(
        "forget a calendar",
        "calendar-detail",
        "DELETE",
        "calendars/{calendar}",
        calendars.CALENDAR,
        member=403,
    ),
    _deed("connect", "connection-detail", "PUT", "connections/gsc", platforms.CONNECTION, _CREDENTIALS),
    _deed("disconnect", "connection-detail", "DELETE", "connections/bing", platforms.CONNECTION),
    _deed(
        "reconcile platforms",
        "platform-insights-reconcile",
        "POST",
        "platform-insights/reconcile/{user}",
        platforms.RECONCILED,
        {},
    ),
    _deed(
        "make a key",
        "api-key-list",
        "POST",
        "api-keys",
        people.NEW_KEY,
        {"name": "ci"},
        status=201,
        member=403,
    ),
    _deed(
        "rotate a key",
        "api-key-rotate",
        "POST",
        "api-keys/{key}/rotate",
        people.NEW_KEY,
        {},
        status=201,
        member=403,
    ),
    _deed("revoke a key", "api-key-detail", "DELETE", "api-keys/{key}", people.KEY, member=403),
    _deed(
        "invite", "member-list", "POST", "members", people.MEMBER, {"username": "dan"}, status=201, member=403
    ),
    _deed(
        "promote",
        "member-detail",
        "PATCH",
        "members/{colleague}",
        people.MEMBER,
        {"role": "member"},
        member=403,
    ),
    _deed("remove", "member-detail", "DELETE", "members/{colleague}", people.MEMBER, member=403),
    _deed(
        "invite by mail",
        "invitation-list",
        "POST",
        "invitations",
        people.NEW_INVITATION,
        {"email": "dan@example.com"},
        status=201,
        member=403,
    ),
    _deed(
        "revoke an invitation",
        "invitation-detail",
        "DELETE",
        "invitations/{invitation}",
        people.INVITATION,
        member=403,
    ),
    _deed(
        "clean up",
        "event-log-cleanup",
        "POST",
        "cleanup-event-logs?older_than_days=30",
        events.CLEANED,
        member=403,
    ),
    _deed(
        "see what a clean-up would do",
        "event-log-cleanup",
        "POST",
        "cleanup-event-logs?older_than_days=1&dry_run=true",
        events.CLEANED,
        member=403,
    ),
    _deed(
        "reconcile totals",
        "cumulative-stats-reconcile",
        "POST",
        "dashboard/cumulative-stats/reconcile",
        overview.TOTALS_RECONCILED,
        member=403,
    ),
    _deed(
        "reconcile",
        "reconcile-kind",
        "POST",
        "reconcile/cursors",
        overview.RECONCILED,
        {"dry_run": True, "reason": "the contract asks"},
        member=403,
    ),
]
