"""Every endpoint that the contract has so far, with its schema. A test holds this table to the URL conf."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from tests.contract import schemas


@dataclass(frozen=True)
class Endpoint:
    """`path` may name ids of `records.small`; `route` is its name in the URL conf; `key` is that of a list."""

    name: str
    route: str
    path: str
    schema: dict[str, Any]
    query: dict[str, Any] = field(default_factory=dict)
    key: str = ""
    needs_rows: bool = False

    def __str__(self) -> str:
        return self.name

    def at(self, ids: dict[str, Any]) -> str:
        return self.path.format(**ids)


ENDPOINTS = [
    Endpoint("dashboard", "dashboard", "dashboard", schemas.DASHBOARD),
    Endpoint("jobs", "job-list", "jobs", schemas.JOBS, key="jobs"),
    Endpoint("job", "job-detail", "jobs/{job}", schemas.JOB, needs_rows=True),
    Endpoint("paused job", "job-detail", "jobs/{paused}", schemas.JOB, needs_rows=True),
    Endpoint("next runs", "job-next-runs", "jobs/{job}/next-runs", {"type": "object"}, needs_rows=True),
    Endpoint("logs", "execution-log-list", "execution-logs", schemas.EXECUTION_LOGS, key="logs"),
    Endpoint(
        "failed logs",
        "execution-log-list",
        "execution-logs",
        schemas.EXECUTION_LOGS,
        {"status": "failed"},
    ),
    Endpoint(
        "running logs",
        "execution-log-list",
        "execution-logs",
        schemas.EXECUTION_LOGS,
        {"status": "running"},
        key="logs",
    ),
    Endpoint(
        "skipped logs",
        "execution-log-list",
        "execution-logs",
        schemas.EXECUTION_LOGS,
        {"status": "skipped"},
        key="logs",
    ),
    Endpoint(
        "success", "execution-log-detail", "execution-logs/{success}", schemas.EXECUTION, needs_rows=True
    ),
    Endpoint(
        "failure", "execution-log-detail", "execution-logs/{failed}", schemas.EXECUTION, needs_rows=True
    ),
    Endpoint(
        "running", "execution-log-detail", "execution-logs/{running}", schemas.EXECUTION, needs_rows=True
    ),
    Endpoint(
        "pending", "execution-log-detail", "execution-logs/{pending}", schemas.EXECUTION, needs_rows=True
    ),
    Endpoint(
        "events", "event-history-list", "event-history", schemas.EVENT_HISTORY, {"days": 90}, key="events"
    ),
    Endpoint("recent", "recent-scheduler-log-list", "recent-scheduler-logs", schemas.RECENT_SCHEDULER_LOGS),
    Endpoint("status", "status", "status", schemas.STATUS),
    Endpoint("health", "health", "health", schemas.HEALTH),
]
WITHOUT_SCHEMA = frozenset({"schema"})  # its own test compares it with the committed file
LISTS = [endpoint for endpoint in ENDPOINTS if endpoint.key]
