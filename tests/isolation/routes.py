"""Every route of a tenant's host, and what each kind of caller gets there.

The objects are Alice's, of Acme; `{job}` and so on are their ids. A row gives the status for Alice (owner), Ann
(admin), Bob (another member) and Vic (viewer) of Acme, and for Charlie with a key of Bravo on Bravo's own host.
"""

from typing import Any, NamedTuple


class Route(NamedTuple):
    name: str
    method: str
    path: str
    owner: int = 200
    admin: int = 200
    member: int = 200
    viewer: int = 200
    elsewhere: int = 200
    body: Any = None


_OTHERS_OBJECT = {"member": 403, "viewer": 403, "elsewhere": 404}
_JOB = {
    "name": "made here",
    "trigger": {"type": "cron", "cron_expression": "*/5 * * * *"},
    "target": "http_check",
    "payload": {"url": "https://example.com/"},
}
_SCHEDULE = {"trigger": _JOB["trigger"]}
_REASON = {"reason": "the matrix asks"}

ROUTES = [
    Route("job-list", "GET", "jobs"),
    Route("job-list", "POST", "jobs", owner=201, admin=201, member=201, viewer=403, elsewhere=201, body=_JOB),
    Route("job-preview", "POST", "jobs/preview", viewer=403, body=_SCHEDULE),
    Route("job-detail", "GET", "jobs/{job}", **_OTHERS_OBJECT),
    Route("job-detail", "PATCH", "jobs/{job}", body={"name": "renamed"}, **_OTHERS_OBJECT),
    Route("job-detail", "PUT", "jobs/{job}", body=_JOB, **_OTHERS_OBJECT),
    Route("job-next-runs", "GET", "jobs/{job}/next-runs", **_OTHERS_OBJECT),
    Route("job-pause", "POST", "jobs/{job}/pause", body=_REASON, **_OTHERS_OBJECT),
    Route("job-resume", "POST", "jobs/{job}/resume", body=_REASON, **_OTHERS_OBJECT),
    Route("job-trigger", "POST", "jobs/{job}/trigger", owner=202, admin=202, body=_REASON, **_OTHERS_OBJECT),
    Route("job-detail", "DELETE", "jobs/{job}", **_OTHERS_OBJECT),
    Route("dashboard", "GET", "dashboard"),
    Route("execution-log-list", "GET", "execution-logs"),
    Route("execution-log-detail", "GET", "execution-logs/{log}", **_OTHERS_OBJECT),
    Route("execution-log-detail", "GET", "execution-logs/{execution}", **_OTHERS_OBJECT),
    Route("event-history-list", "GET", "event-history"),
    Route("recent-scheduler-log-list", "GET", "recent-scheduler-logs"),
    Route("status", "GET", "status"),
    Route("health", "GET", "health", owner=503, admin=503, member=503, viewer=503, elsewhere=503),
    Route("schema", "GET", "schema"),
    Route(
        "reconcile-kind",
        "POST",
        "reconcile/cursors",
        member=403,
        viewer=403,
        body={"dry_run": True, "reason": "the matrix asks"},
    ),
]
