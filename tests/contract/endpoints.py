"""Every endpoint of the contract with its schema. A test holds these tables to the URL conf, method by method.

`READS` are the GETs, `DEEDS` the others. Paths and bodies may name ids of `records.small`, whose rows belong to the one
who asks.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from tests.contract.schemas import (
    calendars,
    channels,
    events,
    executions,
    insights,
    interventions,
    jobs,
    overview,
    people,
    platforms,
)
from tests.contract.schemas.words import Schema


@dataclass(frozen=True)
class Endpoint:
    """`route` is its name in the URL conf; `key` is that of a list's rows; `member` is the status for a member."""

    name: str
    route: str
    path: str
    schema: Schema
    query: dict[str, Any] = field(default_factory=dict)
    method: str = "GET"
    body: Any = None
    key: str = ""
    status: int = 200
    member: int = 200
    empty: int | None = 200  # the status in a tenant without rows; None where the path names one

    def __str__(self) -> str:
        return self.name

    def at(self, ids: dict[str, Any]) -> str:
        return self.path.format(**ids)


def _read(name: str, route: str, path: str, schema: Schema, **more: Any) -> Endpoint:
    if "{" in path and "{user}" not in path:
        more.setdefault("empty", None)
    return Endpoint(name, route, path, schema, **more)


def _logs(name: str, **query: Any) -> Endpoint:
    return _read(
        name, "execution-log-list", "execution-logs", executions.EXECUTION_LOGS, query=query, key="logs"
    )


def _execution(name: str) -> Endpoint:
    return _read(name, "execution-log-detail", f"execution-logs/{{{name}}}", executions.EXECUTION)


READS = [
    _read("dashboard", "dashboard", "dashboard", overview.DASHBOARD),
    _read("pulse", "pulse", "pulse", overview.PULSE),
    _read("jobs", "job-list", "jobs", jobs.JOBS, key="jobs"),
    _read("categories", "job-categories", "jobs/categories", jobs.CATEGORIES),
    _read(
        "outcomes", "job-outcomes", "jobs/outcomes", jobs.OUTCOMES, query={"job_id": "{every}"}, empty=None
    ),
    _read("job", "job-detail", "jobs/{job}", jobs.JOB),
    _read("paused job", "job-detail", "jobs/{paused}", jobs.JOB),
    _read("failing job", "job-detail", "jobs/{failing}", jobs.JOB),
    _read("why at", "job-why", "jobs/{job}/why", jobs.WHY, query={"at": "{now}"}),
    _read("why between", "job-why", "jobs/{every}/why", jobs.WHY, query={"from": "{earlier}", "to": "{now}"}),
    _read("next runs", "job-next-runs", "jobs/{job}/next-runs", jobs.NEXT_RUNS),
    _logs("logs"),
    _logs("failed logs", status="failed"),
    _logs("running logs", status="running"),
    _logs("skipped logs", status="skipped"),
    *(_execution(name) for name in ("success", "failed", "running", "pending")),
    _read(
        "events",
        "event-history-list",
        "event-history",
        events.EVENT_HISTORY,
        query={"days": 90},
        key="events",
    ),
    _read(
        "recent",
        "recent-scheduler-log-list",
        "recent-scheduler-logs",
        executions.RECENT_SCHEDULER_LOGS,
        key="logs",
    ),
    _read("event stats", "event-log-stats", "event-logs/stats", events.STATISTICS),
    _read("needy", "tasks-needing-intervention", "tasks-needing-intervention/{user}", interventions.TASKS),
    _read(
        "all needy",
        "tasks-needing-intervention-list",
        "tasks-needing-intervention",
        interventions.TASK_LIST,
        key="tasks",
    ),
    _read("summary", "task-intervention-summary", "task-intervention/summary/{user}", interventions.SUMMARY),
    _read("calendars", "calendar-list", "calendars", calendars.CALENDARS, key="calendars"),
    _read("calendar", "calendar-detail", "calendars/{calendar}", calendars.CALENDAR),
    _read("connections", "connection-list", "connections", platforms.CONNECTIONS, key="connections"),
    _read("connection", "connection-detail", "connections/gsc", platforms.CONNECTION, empty=404),
    _read("platforms", "platform-insights-status", "platform-insights/status/{user}", platforms.STATUS),
    _read(
        "platform logs", "platform-insights-logs", "platform-insights/logs/{user}", platforms.LOGS, key="logs"
    ),
    _read("keys", "api-key-list", "api-keys", people.KEYS, key="api_keys", member=403),
    _read("key", "api-key-detail", "api-keys/{key}", people.KEY, member=403),
    _read("members", "member-list", "members", people.MEMBERS, key="members", member=403),
    _read("colleague", "member-detail", "members/{colleague}", people.MEMBER, member=403),
    _read(
        "channels",
        "notification-channel-list",
        "notification-channels",
        channels.CHANNELS,
        key="notification_channels",
        member=403,
    ),
    _read(
        "channel",
        "notification-channel-detail",
        "notification-channels/{channel}",
        channels.CHANNEL,
        member=403,
    ),
    _read("invitations", "invitation-list", "invitations", people.INVITATIONS, key="invitations", member=403),
    _read("status", "status", "status", overview.STATUS),
    _read("usage", "usage", "usage", overview.USAGE),
    # The first item stands for all: in the hour before this one something ended.
    _read("hours", "insights-hours", "insights/hours", insights.HOURS, query={"hours": 2}),
    _read("forecast", "insights-forecast", "insights/forecast", insights.FORECAST),
    _read("health", "health", "health", overview.HEALTH, empty=503),  # nobody leads
]
# The description of the API itself: its own tests compare it with the committed file.
# The export is CSV, with columns of its own (`tests.contract.shapes`).
WITHOUT_SCHEMA = frozenset({("schema", "GET"), ("execution-log-csv", "GET")})
# Lists in which there is always somebody: those who ask, and the keys they ask with.
NEVER_EMPTY = frozenset({"keys", "members"})
# Lists that hold one row for each that `records.large` makes.
WALKED = frozenset({"jobs", "logs", "running logs", "skipped logs", "events"})
LISTS = [endpoint for endpoint in READS if endpoint.name in WALKED]
