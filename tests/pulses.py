"""What tests of the pulse share: who looks, and the scheduler and a worker that are moved one step at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import psycopg

from apps.executions import queue
from apps.executions.counters import CounterFold
from apps.executions.reaper import Reaper
from apps.jobs.dispatch import Dispatcher
from apps.jobs.models import Cursor, Job
from apps.jobs.outcomes import OutcomeFold
from apps.leadership.session import LeaderSession
from apps.tenants import machine
from apps.tenants.context import all_tenants_scope
from tests.contract.client import MemberClient
from tests.contract.records import now
from tests.dispatching import leading, stand
from tests.workers import end_of


class Watch:
    """Alice sees the tenant, Bob and Vic what is theirs; Charlie is Bravo's."""

    def __init__(self, cast: Any, other_cast: Any) -> None:
        people = {"alice": cast.alice, "bob": cast.bob, "vic": cast.vic, "charlie": other_cast.alice}
        self._clients = {name: MemberClient(membership) for name, membership in people.items()}
        self._tokens = {name: self.of(name)["token"] for name in self._clients}

    def of(self, name: str) -> dict[str, Any]:
        payload: dict[str, Any] = self._clients[name].ok("pulse")
        return payload

    def moved(self, what: Callable[[], object] | None = None) -> set[str]:
        """Whose token is another one after `what`."""
        if what is not None:
            with all_tenants_scope():
                what()
        before, self._tokens = self._tokens, {name: self.of(name)["token"] for name in self._clients}
        return {name for name, token in self._tokens.items() if token != before[name]}


class Machine:
    """The scheduler and a worker, one step at a time."""

    def __init__(self, leader: LeaderSession, session: psycopg.Connection[Any]) -> None:
        self.leader, self.session = leader, session
        self.taken: list[queue.Claimed] = []
        self._outcomes = OutcomeFold()

    def dispatch(self) -> None:
        assert Dispatcher().run_once(self.leader).counts

    def claim(self, lease_seconds: float = 60.0) -> None:
        with self.session.cursor() as cursor:
            self.taken = queue.claim(worker="w", limit=10, lease_seconds=lease_seconds).on(cursor)
        assert self.taken

    def end(self, outcome: str = "success") -> None:
        with self.session.cursor() as cursor:
            queue.complete([end_of(row, outcome) for row in self.taken]).on(cursor)

    def put_back(self) -> None:
        [row] = self.taken
        failed: queue.Failed = {
            "id": row.id, "token": row.token, "outcome": "failed", "error_message": "it failed",
            "started": row.leased_at, "finished": row.leased_at, "delay": 3600.0,
        }  # fmt: skip
        with self.session.cursor() as cursor:
            queue.retry([failed], worker="w").on(cursor)

    def count(self) -> None:
        assert CounterFold().run_once(self.leader).counts["deltas"]

    def tell(self) -> None:
        assert self._outcomes.run_once(self.leader).counts["notes"]

    def reap(self) -> None:
        assert Reaper().run_once(self.leader).counts["reaped"]


@contextmanager
def working() -> Iterator[Machine]:
    with leading() as (leader, _), machine.connect(application_name="tests") as session:
        yield Machine(leader, session)


def vics(cast: Any, **fields: Any) -> Job:
    with all_tenants_scope():
        return stand(cast.tenant, now() - timedelta(seconds=1), user_id=cast.vic.user_id, **fields)


def set_on(job: Job, **columns: Any) -> None:
    with all_tenants_scope():
        assert Cursor.objects.filter(job_id=job.pk).update(**columns) == 1


def rows_read(plan: dict[str, Any], tables: tuple[str, ...]) -> int:
    """Of those tables and their partitions, by what the plan did: returned and thrown away."""
    own = 0
    if str(plan.get("Relation Name")).startswith(tables):
        removed = plan.get("Rows Removed by Filter", 0) + plan.get("Rows Removed by Index Recheck", 0)
        own = (plan["Actual Rows"] + removed) * plan["Actual Loops"]
    return own + sum(rows_read(child, tables) for child in plan.get("Plans", []))
