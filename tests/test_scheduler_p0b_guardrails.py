"""Matrix A: every payload is what the contract says, whatever the tenant holds. Matrix C: the core's own sentences."""

from __future__ import annotations

import asyncio
import logging
import threading
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import psutil
import pytest
from django.db import connection

from apps.executions.models import Execution
from apps.jobs import services
from apps.jobs.models import Job
from apps.jobs.specs import TriggerSpec
from apps.leadership.loop import Replica
from apps.tenants.context import all_tenants_scope
from scheduler_saas.processes import leader_steps
from tests import tasks  # noqa: F401 - registers them
from tests.contract import line, records
from tests.contract.client import MemberClient
from tests.contract.refusals import TestRefusals, TestStrangers
from tests.contract.shapes import (
    TestEmptyTenant,
    TestExport,
    TestManyRows,
    TestShapes,
    test_every_route_and_method_has_a_schema,
)
from tests.replicas import wait_for

__all__ = [
    "TestEmptyTenant",
    "TestExport",
    "TestManyRows",
    "TestRefusals",
    "TestShapes",
    "TestStrangers",
    "test_every_route_and_method_has_a_schema",
]


class TestCore:
    """Matrix C on the real line: leader, queue and worker, with what the tenant then sees."""

    def test_a_check_cycle_persists_its_event_and_moves_the_totals(self, live_db: str, cast: Any) -> None:
        job = records.Records(cast.alice).job(
            target="tests.echo", payload={"said": "hello"}, trigger=TriggerSpec.once(_soon())
        )
        due = line.make_due(job)
        client = MemberClient(cast.alice)
        line.work()

        [cycle] = client.ok("event-history", event_type="check_cycle")["events"]
        assert cycle["tasks_found"] == 1
        assert cycle["tasks_by_type"] == {"tests.echo": 1}
        seen = client.ok("dashboard")
        assert seen["stats"]["cumulative_total_check_cycles"] == 1
        assert seen["stats"]["cumulative_tasks_found"] == 1
        assert seen["stats"]["cumulative_tasks_executed"] == 1
        assert seen["stats"]["cumulative_tasks_failed"] == 0
        [log] = client.ok("execution-logs")["logs"]
        assert (log["status"], log["job_id"]) == ("success", str(job.pk))
        assert datetime.fromisoformat(log["scheduled_for"]) == due
        assert log["result_data"]["params"] == {"said": "hello"}
        [shown] = seen["jobs"]
        assert (shown["status"], shown["consecutive_failures"]) == ("completed", 0)
        assert shown["last_success"]

    def test_a_start_a_stop_and_a_start_again(self, live_db: str, cast: Any, caplog: Any) -> None:
        made, client = records.Records(cast.alice), MemberClient(cast.alice)
        replica = Replica(leader_steps(), name="again")
        epochs = []
        for number in range(2):
            job = made.job(target="tests.noop", trigger=TriggerSpec.once(_soon()))
            with line.Leading(replica):
                wait_for(
                    lambda: client.ok("status")["scheduler_runtime"]["leadership"]["is_leader"], "a leader"
                )
                stats = client.ok("dashboard")["stats"]
                assert stats["running"] is True
                epochs.append(client.ok("status")["scheduler_runtime"]["leadership"]["epoch"])
                line.make_due(job)
                services.job_update(
                    tenant=cast.tenant, job_id=job.pk, changes={"name": f"n{number}"}, actor="tests"
                )
                wait_for(partial(self._live_of, job), "an execution")
            assert client.ok("dashboard")["stats"]["running"] is False
        asyncio.run(line.drain())
        assert client.ok("execution-logs", status="success")["total_count"] == 2
        assert epochs[0] < epochs[1]
        assert [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING] == []

    @pytest.mark.parametrize(
        ("target", "payload"), [("tests.plain_hang", {}), ("tests.wait", {"seconds": 3600})]
    )
    def test_a_timeout_leaves_nothing_behind(
        self, live_db: str, cast: Any, target: str, payload: dict[str, Any]
    ) -> None:
        made, client = records.Records(cast.alice), MemberClient(cast.alice)
        # Python keeps the server that forks task processes as long as this process lives; have it before counting.
        line.make_due(made.job(target="tests.plain", trigger=TriggerSpec.once(_soon())))
        line.work()
        assert client.ok("execution-logs", status="success")["total_count"] == 1
        line.make_due(
            made.job(target=target, payload=payload, timeout_seconds=1, trigger=TriggerSpec.once(_soon()))
        )
        line.check()
        children = {child.pid for child in psutil.Process().children(recursive=True)}
        threads = set(threading.enumerate())

        async def run() -> set[asyncio.Task[Any]]:
            before = asyncio.all_tasks()
            await line.drain()
            return asyncio.all_tasks() - before

        assert asyncio.run(run()) == set()
        left = [c for c in psutil.Process().children(recursive=True) if c.pid not in children]
        assert [" ".join(child.cmdline()) for child in left] == []
        assert set(threading.enumerate()) <= threads
        with all_tenants_scope():
            assert not Execution.objects.exists()
        with connection.cursor() as cursor:
            wait_for(lambda: not cursor.execute(_WORKERS).fetchall(), "no session of the worker")
        line.check()
        [log] = client.ok("execution-logs", status="failed")["logs"]
        [attempt] = client.ok(f"execution-logs/{log['id']}")["attempts"]
        assert attempt["outcome"] == "timeout"
        assert client.ok("dashboard")["stats"]["cumulative_tasks_failed"] == 1

    @staticmethod
    def _live_of(job: Job) -> bool:
        with all_tenants_scope():
            return Execution.objects.filter(job_id=job.pk).exists()


_WORKERS = """
SELECT pid FROM pg_stat_activity WHERE application_name LIKE 'scheduler worker %' AND datname = current_database()
"""


def _soon() -> datetime:
    return datetime.now(UTC) + timedelta(hours=1)
