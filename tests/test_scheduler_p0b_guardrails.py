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
from django.test import Client
from django.test.utils import CaptureQueriesContext

from apps.executions.models import Execution
from apps.jobs import services
from apps.jobs.models import Job
from apps.jobs.specs import TriggerSpec
from apps.leadership.loop import Replica
from apps.tenants.context import all_tenants_scope
from scheduler_saas.processes import leader_steps
from tests import tasks  # noqa: F401 - registers them
from tests.contract import line, mutation, records, schemas
from tests.contract.client import BASE, MemberClient
from tests.contract.endpoints import ENDPOINTS, LISTS, WITHOUT_SCHEMA, Endpoint
from tests.contract.routes import get_routes
from tests.factories import MembershipFactory
from tests.replicas import wait_for

LARGE = 300


def checked(client: MemberClient, endpoint: Endpoint, ids: dict[str, Any], *, status: int = 200) -> Any:
    response = client.get(endpoint.at(ids), **endpoint.query)
    assert response.status_code == status, response.content
    payload = response.json()
    assert schemas.violations(endpoint.schema, payload) == []
    return payload


@pytest.mark.django_db
class TestShapes:
    def test_every_get_route_has_a_schema(self) -> None:
        assert {endpoint.route for endpoint in ENDPOINTS} | WITHOUT_SCHEMA == set(get_routes())

    @pytest.mark.parametrize("endpoint", [e for e in ENDPOINTS if not e.needs_rows], ids=str)
    def test_an_empty_tenant(self, cast: Any, endpoint: Endpoint) -> None:
        expected = 503 if endpoint.name == "health" else 200  # nobody leads
        payload = checked(MemberClient(cast.alice), endpoint, {}, status=expected)
        if endpoint.key:
            assert payload[endpoint.key] == []
            assert payload["total_count"] == 0

    @pytest.mark.parametrize("role", ["alice", "vic"])
    @pytest.mark.parametrize("endpoint", ENDPOINTS, ids=str)
    def test_a_few_rows_of_each_kind(self, cast: Any, endpoint: Endpoint, role: str) -> None:
        asks = getattr(cast, role)
        checked(MemberClient(asks), endpoint, records.small(asks))

    @pytest.mark.parametrize("endpoint", ENDPOINTS, ids=str)
    def test_each_required_key_is_guarded(self, cast: Any, endpoint: Endpoint) -> None:
        payload = checked(MemberClient(cast.alice), endpoint, records.small(cast.alice))
        paths = list(mutation.required_paths(endpoint.schema, payload))
        assert paths or endpoint.schema == {"type": "object"}
        for path, inner in paths:
            assert schemas.violations(endpoint.schema, mutation.without(payload, path)), path
            if inner != schemas.ANYTHING:
                broken = mutation.replaced(payload, path, mutation.WRONG)
                assert schemas.violations(endpoint.schema, broken), path

    @pytest.mark.parametrize("endpoint", ENDPOINTS, ids=str)
    def test_with_and_without_a_trailing_slash(self, cast: Any, endpoint: Endpoint) -> None:
        client, ids = MemberClient(cast.alice), records.small(cast.alice)
        plain = client.get(endpoint.at(ids), **endpoint.query)
        slashed = client.get(endpoint.at(ids) + "/", **endpoint.query)
        assert (plain.status_code, slashed.status_code) == (200, 200)
        assert plain.json().keys() == slashed.json().keys()


@pytest.mark.django_db
class TestManyRows:
    """300 rows in each list, made once for the walks through all of them."""

    def test_every_list_can_be_walked_and_costs_the_same(self, cast: Any) -> None:
        client = MemberClient(cast.alice)
        some = len(records.EVENT_TYPES)  # so that each kind of row is among the few as well
        few = records.large(cast.alice, some)
        cheap = {endpoint.name: self._queries(client, endpoint, few) for endpoint in ENDPOINTS}
        ids = records.large(cast.alice, LARGE - some)
        for endpoint in ENDPOINTS:
            checked(client, endpoint, ids)
            assert self._queries(client, endpoint, ids) == cheap[endpoint.name], endpoint.name
            assert cheap[endpoint.name] <= 25, endpoint.name
        for endpoint in LISTS:
            by_offset = self._walk(client, endpoint, by_cursor=False)
            by_cursor = self._walk(client, endpoint, by_cursor=True)
            assert by_offset == by_cursor
            assert len(set(by_cursor)) == len(by_cursor) == LARGE

    @staticmethod
    def _queries(client: MemberClient, endpoint: Endpoint, ids: dict[str, Any]) -> int:
        with CaptureQueriesContext(connection) as queries:
            client.ok(endpoint.at(ids), **endpoint.query)
        return len(queries)

    @staticmethod
    def _walk(client: MemberClient, endpoint: Endpoint, *, by_cursor: bool) -> list[Any]:
        seen: list[Any] = []
        position: dict[str, Any] = {}
        while True:
            page = client.ok(endpoint.path, **endpoint.query, limit=41, **position)
            assert schemas.violations(endpoint.schema, page) == []
            assert page["total_count"] == LARGE
            seen += [row["id"] for row in page[endpoint.key]]
            if not page["has_more"]:
                assert page["next_cursor"] is None
                return seen
            assert len(page[endpoint.key]) == 41
            position = {"cursor": page["next_cursor"]} if by_cursor else {"offset": len(seen)}


@pytest.mark.django_db
class TestAnswers:
    """Who gets in; the whole matrix is in `test_scheduler_tenant_isolation_matrix`."""

    @pytest.mark.parametrize("endpoint", ENDPOINTS, ids=str)
    def test_nobody_and_strangers(self, cast: Any, other_cast: Any, endpoint: Endpoint) -> None:
        ids = records.small(cast.alice)
        path = BASE + endpoint.at(ids)
        host = {"Host": cast.host}
        assert Client().get(path, headers=host).status_code == 401
        unknown = {**host, "Authorization": "Bearer sched_live_nothing"}
        assert Client().get(path, headers=unknown).status_code == 401
        assert MemberClient(other_cast.alice, host=cast.host).get(endpoint.at(ids)).status_code == 403
        assert MemberClient(cast.alice, host="nowhere.localhost").get(endpoint.at(ids)).status_code == 404
        assert MemberClient(cast.alice, host="api.localhost").get(endpoint.at(ids)).status_code == 200
        for response in (
            Client().get(path, headers=host),
            MemberClient(other_cast.alice, host=cast.host).get(endpoint.at(ids)),
            MemberClient(cast.alice, host="nowhere.localhost").get(endpoint.at(ids)),
        ):
            assert schemas.violations(schemas.ERROR, response.json()) == []

    @pytest.mark.parametrize("endpoint", [e for e in ENDPOINTS if e.needs_rows], ids=str)
    def test_objects_of_others(self, cast: Any, other_cast: Any, endpoint: Endpoint) -> None:
        ids = records.small(cast.alice)
        assert MemberClient(other_cast.alice).get(endpoint.at(ids)).status_code == 404
        assert MemberClient(cast.bob).get(endpoint.at(ids)).status_code == 403
        assert MemberClient(cast.ann).get(endpoint.at(ids)).status_code == 200

    @pytest.mark.parametrize("endpoint", LISTS, ids=str)
    def test_lists_hold_what_the_member_may_see(self, cast: Any, other_cast: Any, endpoint: Endpoint) -> None:
        bob = MembershipFactory(tenant=cast.tenant, username="bob2", role="member")
        records.large(cast.alice, 2)
        records.large(bob, 1)

        def ids_of(client: MemberClient) -> set[Any]:
            return {row["id"] for row in client.ok(endpoint.path, **endpoint.query)[endpoint.key]}

        everything, own = ids_of(MemberClient(cast.ann)), ids_of(MemberClient(bob))
        assert own < everything
        assert ids_of(MemberClient(cast.ann)) == ids_of(MemberClient(cast.alice))
        assert ids_of(MemberClient(cast.vic)) == set()
        assert ids_of(MemberClient(other_cast.alice)) == set()

    @pytest.mark.parametrize("path", ["nothing-here", "execution-logs/1/2", "jobs/1/nothing"])
    def test_paths_that_are_none(self, cast: Any, path: str) -> None:
        response = MemberClient(cast.alice).get(path)
        assert response.status_code == 404
        assert schemas.violations(schemas.ERROR, response.json()) == []

    def test_an_error_that_nobody_foresaw(self, cast: Any, settings: Any) -> None:
        settings.ROOT_URLCONF = "tests.contract.writing_urls"
        response = MemberClient(cast.alice, raises=False).get("writing")
        assert response.status_code == 500
        assert schemas.violations(schemas.ERROR, response.json()) == []
        assert "read-only" not in response.content.decode()

    @pytest.mark.parametrize("wrong", ["0", "-1", "x", "9" * 40, "%00", "1e3"])
    def test_ids_that_are_none(self, cast: Any, wrong: str) -> None:
        for path in (f"execution-logs/{wrong}", f"jobs/{wrong}"):
            response = MemberClient(cast.alice).get(path)
            assert response.status_code == 404, path
            assert schemas.violations(schemas.ERROR, response.json()) == []


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


_WORKERS = "SELECT pid FROM pg_stat_activity WHERE application_name LIKE 'scheduler worker %'"


def _soon() -> datetime:
    return datetime.now(UTC) + timedelta(hours=1)
