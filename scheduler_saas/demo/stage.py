"""Schedulers, workers and a receiver as processes on one database: started, waited for, and stopped in their order."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from signal import SIGTERM, Signals
from typing import Any

import psycopg

from apps.leadership.session import SESSION_NAME
from scheduler_saas.demo.cast import Company
from scheduler_saas.demo.children import Children
from scheduler_saas.demo.history import read_deliveries, read_history
from scheduler_saas.demo.leaders import database_now
from scheduler_saas.demo.sites import Sites
from scheduler_saas.demo.witnesses import Fault, History, WatchedJob

WORKERS = 2
_DISPATCHED_WITHIN = 10.0
_DRAINED_WITHIN = 30.0


class StageFailed(RuntimeError):
    """A run could not be carried through; the message says at which point."""


def environment_for(database_url: str) -> dict[str, str]:
    """Of the processes: the demo's tasks and settings, and receivers on loopback."""
    return {
        **os.environ,
        "DATABASE_URL": database_url,
        "LEADER_DATABASE_URL": "",
        "DJANGO_SETTINGS_MODULE": "scheduler_saas.settings.demo",
        "EGRESS_ALLOWED_NETWORKS": "127.0.0.0/8,::1/128",
    }


class Stage:
    """`session` sees all tenants of the database that the children work on; their logs are in `directory`."""

    def __init__(
        self, children: Children, session: psycopg.Connection[Any], sites: Sites, directory: Path
    ) -> None:
        self.children = children
        self.session = session
        self.sites = sites
        self._directory = directory
        self._record = directory / "deliveries.jsonl"

    def start_scheduler(
        self, name: str, *, environment: Mapping[str, str] | None = None, orphaned: Signals = SIGTERM
    ) -> None:
        arguments = ["manage.py", "run_scheduler", "--replica", name]
        self.children.start(name, arguments, environment=environment, orphaned=orphaned)

    def start_workers(self) -> None:
        for number in range(1, WORKERS + 1):
            name = f"worker-{number}"
            self.children.start(name, ["manage.py", "run_worker", "--name", name])

    def start_receiver(self, companies: list[Company]) -> None:
        secrets = {company.name: company.secret for company in companies}
        self.sites.start_receiver(self.children, secrets, self._record)

    def ready(self, *, schedulers: int) -> bool:
        """Whether one of so many schedulers leads, and the others, the workers and the sites are there."""
        row = self.session.execute(_SESSIONS, {"leader": SESSION_NAME}).fetchone()
        return row == (schedulers, WORKERS, 1) and self.sites.answer()

    def standing(self) -> set[str]:
        """Names of the schedulers that have a session: the leader and the standbys."""
        rows = self.session.execute(_REPLICAS, {"leader": SESSION_NAME}).fetchall()
        return {name for (name,) in rows}

    def wait(self, what: str, seconds: float, condition: Callable[[], bool]) -> None:
        """Raises StageFailed when it is not so in time, ChildDied when a process ended meanwhile."""

        def checked() -> bool:
            self.children.check()
            return condition()

        if not _until(seconds, checked):
            raise StageFailed(f"waited {seconds:.0f} s in vain for {what}; see {self._directory}")

    def shut_down(self) -> datetime:
        """The stop instant: the database's clock now. What is due by then is still dispatched, and all of it is run."""
        stopped_at = database_now(self.session)
        _until(_DISPATCHED_WITHIN, lambda: not self._any(_UNDISPATCHED, {"until": stopped_at}))
        self.children.stop(self.children.named("scheduler"), within=10.0)
        _until(_DRAINED_WITHIN, lambda: not self._any(_UNFINISHED))
        self.children.stop(self.children.named("worker"), within=30.0)
        self.children.stop(["web", "receiver"], within=10.0)
        return stopped_at

    def history(
        self,
        *,
        jobs: list[WatchedJob],
        started_at: datetime,
        stopped_at: datetime,
        faults: list[Fault],
    ) -> History:
        deliveries = read_deliveries(self._record)
        return read_history(
            self.session,
            jobs=jobs,
            deliveries=deliveries,
            started_at=started_at,
            stopped_at=stopped_at,
            faults=faults,
        )

    def whole_second(self, *, ahead: float) -> datetime:
        moment = database_now(self.session) + timedelta(seconds=ahead + 1)
        return moment.replace(microsecond=0)

    def _any(self, sql: Any, params: dict[str, Any] | None = None) -> bool:
        return self.session.execute(sql, params).fetchone() is not None


def _until(seconds: float, condition: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + seconds
    while not (met := condition()) and time.monotonic() < deadline:
        time.sleep(0.05)
    return met


_UNDISPATCHED = "SELECT FROM jobs_cursor WHERE next_run_at <= %(until)s"
_UNFINISHED = "SELECT FROM executions_execution"
_SESSIONS = """
SELECT count(*) FILTER (WHERE starts_with(application_name, %(leader)s)),
       count(*) FILTER (WHERE application_name LIKE 'scheduler worker %% claims'),
       (SELECT count(*) FROM leadership_leaderterm WHERE ended_at IS NULL)
FROM pg_stat_activity WHERE datname = current_database()
"""
_REPLICAS = """
SELECT substr(application_name, length(%(leader)s) + 1)
FROM pg_stat_activity WHERE datname = current_database() AND starts_with(application_name, %(leader)s)
"""
