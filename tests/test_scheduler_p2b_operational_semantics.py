"""Matrix F, the payload half: looking changes nothing, and the dashboard's numbers mean what they say."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

import pytest
from django.conf import settings
from django.db import DatabaseError, connection, connections
from django.test import override_settings

from apps.jobs import services
from apps.jobs.models import Cursor, Job
from apps.jobs.specs import TriggerSpec
from apps.tenants.context import all_tenants_scope, tenant_scope
from tests.contract import records
from tests.contract.asking import filled
from tests.contract.client import MemberClient
from tests.contract.endpoints import READS
from tests.contract.fingerprints import fingerprints
from tests.contract.schemas import violations
from tests.contract.schemas.overview import HEALTH
from tests.isolation.callers import body_of, people, sender
from tests.isolation.urlconf import offered_methods

pytestmark = pytest.mark.django_db


class TestLookingChangesNothing:
    @pytest.mark.parametrize("role", ["owner", "admin", "member", "viewer"])
    def test_no_get_route_writes_a_row(self, cast: Any, bravo: Any, role: str) -> None:
        """By key, without and with filters, and by session; every route of the URL conf must be in."""
        ids = records.small(cast.alice)
        records.small(cast.vic)
        reached, trusted = set(), override_settings(LEADER_TRUST_WINDOW=3600)  # all of this takes a while
        membership = people(cast)[role]
        by_key = sender(cast.host, key=MemberClient(membership).key)
        by_session = sender(cast.host, account=membership.account)
        before = fingerprints(cast.tenant, bravo)
        for name, path in _paths(ids):
            for send, queries in ((by_key, ("", *_filters(ids))), (by_session, ("",))):
                for query in queries:
                    with trusted:
                        response = send("GET", path + query)
                    body_of(response)  # a stream reads as it is read
                    assert response.status_code in {200, 400, 403, 404}, (path, query)
                    if response.status_code == 200:
                        reached.add(name)
        after = fingerprints(cast.tenant, bravo)
        assert {table for table in after if after[table] != before[table]} == set()
        if role == "owner":
            assert reached == {name for name, methods in offered_methods().items() if "GET" in methods}

    @pytest.mark.parametrize(
        "table", ["jobs_job", "executions_executionlog", "executions_skip", "tenants_membership"]
    )
    def test_fingerprints_see_a_row_that_is_written_as_it_was(
        self, cast: Any, bravo: Any, table: str
    ) -> None:
        records.small(cast.alice)
        before = fingerprints(cast.tenant, bravo)
        with all_tenants_scope(), connection.cursor() as cursor:
            cursor.execute(f"UPDATE {table} SET tenant_id = tenant_id")
        after = fingerprints(cast.tenant, bravo)
        assert {name for name in after if after[name] != before[name]} == {f'"public"."{table}"'}

    @pytest.mark.parametrize("host", ["acme.localhost", "api.localhost"])
    def test_the_database_refuses_a_get_that_writes(self, cast: Any, host: str) -> None:
        job = records.Records(cast.alice).job(name="as it was")
        with (
            override_settings(ROOT_URLCONF="tests.contract.writing_urls"),
            pytest.raises(DatabaseError, match="read-only"),
        ):
            MemberClient(cast.alice, host=host).get("writing")
        with tenant_scope(cast.tenant):
            assert Job.objects.get(pk=job.pk).name == "as it was"

    def test_posts_may_write_after_a_get(self, cast: Any) -> None:
        client = MemberClient(cast.alice)
        job = records.Records(cast.alice).job()
        client.ok("dashboard")
        assert client.send("POST", f"jobs/{job.pk}/pause", {"reason": "lunch"}).status_code == 200
        assert client.ok(f"jobs/{job.pk}")["status"] == "paused"


class TestStats:
    def test_counts_since_the_term_began_and_since_ever(self, cast: Any) -> None:
        records.small(cast.alice)
        stats = MemberClient(cast.alice).ok("dashboard")["stats"]
        assert [stats[name] for name in _SINCE_TERM] == [1, 2, 3, 4, 5]
        assert [stats[name] for name in _CUMULATIVE] == [10, 20, 15, 5]
        assert stats["running"] is True
        assert stats["last_check"]

    def test_a_new_term_counts_from_nothing(self, cast: Any) -> None:
        records.small(cast.alice)
        records.lead()
        stats = MemberClient(cast.alice).ok("dashboard")["stats"]
        assert [stats[name] for name in _SINCE_TERM] == [0] * 5
        assert [stats[name] for name in _CUMULATIVE] == [10, 20, 15, 5]

    @pytest.mark.parametrize("trusted", [True, False])
    def test_running_is_a_heartbeat_that_can_be_trusted(self, cast: Any, trusted: bool) -> None:
        window = timedelta(seconds=settings.LEADER_TRUST_WINDOW)
        records.lead(heartbeat_age=window / 2 if trusted else window * 2)
        client = MemberClient(cast.alice)
        assert client.ok("dashboard")["stats"]["running"] is trusted
        leadership = client.ok("status")["scheduler_runtime"]["leadership"]
        assert (leadership["is_leader"], leadership["execution_enabled"]) == (trusted, trusted)
        health = client.get("health")
        assert health.status_code == (200 if trusted else 503)
        assert health.json()["status"] == ("healthy" if trusted else "unhealthy")
        assert (health.json()["checks"]["scheduler_leadership"] == "ok") is trusted
        assert health.json()["checks"]["database"] == "ok"

    def test_a_term_that_ended_does_not_lead(self, cast: Any) -> None:
        term = records.lead()
        term.ended_at = term.heartbeat_at
        term.save()
        assert MemberClient(cast.alice).ok("dashboard")["stats"]["running"] is False

    def test_health_says_when_the_database_fails(self, cast: Any) -> None:
        client = MemberClient(cast.alice)
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE leadership_leaderterm RENAME TO leadership_lost")
        health = client.get("health")
        assert health.status_code == 503
        assert "ProgrammingError" in health.json()["checks"]["database"]

    def test_health_without_a_database(self, cast: Any) -> None:
        client = MemberClient(cast.alice)

        def ask_without_a_server() -> Any:
            wrapper: Any = connections["default"]  # this thread's own
            nowhere = wrapper.get_connection_params() | {"host": "127.0.0.1", "port": 1}
            wrapper.get_connection_params = lambda: nowhere
            return client.get("health")

        with ThreadPoolExecutor(1) as thread:
            health = thread.submit(ask_without_a_server).result(30)
        assert health.status_code == 503
        assert violations(HEALTH, health.json()) == []
        assert int(health["Retry-After"]) > 0

    def test_each_tenant_sees_its_own_work_alone(self, cast: Any, other_cast: Any) -> None:
        records.small(cast.alice)
        mine = MemberClient(other_cast.alice).ok("dashboard")
        assert [mine["stats"][name] for name in (*_SINCE_TERM, *_CUMULATIVE)] == [0] * 9
        assert (mine["stats"]["active_executions"], mine["job_count"], mine["jobs"]) == (0, 0, [])
        assert mine["stats"]["active_strategies_count"] == 0

    def test_live_work_and_active_types(self, cast: Any) -> None:
        made, at = records.Records(cast.alice), records.now()
        job = made.job()
        made.job(task_type="another")
        paused = made.job(task_type="of a paused job")
        services.job_pause(tenant=cast.tenant, job_id=paused.pk, reason="", actor="tests")
        made.live(job, at)
        made.live(job, at + timedelta(seconds=1))
        made.live(job, at + timedelta(seconds=2), leased=False)
        stats = MemberClient(cast.alice).ok("dashboard")["stats"]
        assert stats["active_executions"] == 2
        assert stats["active_strategies_count"] == 2
        assert stats["last_interval_adjustment"] is None
        made.event("interval_adjustment", at)
        stats = MemberClient(cast.alice).ok("dashboard")["stats"]
        assert stats["last_interval_adjustment"] == at.isoformat().replace("+00:00", "Z")


class TestJobsOfTheDashboard:
    def test_members_see_their_jobs_and_admins_all(self, cast: Any) -> None:
        records.Records(cast.bob).job(name="bob's")
        records.Records(cast.alice).job(name="alice's", trigger=TriggerSpec.manual())
        bob = MemberClient(cast.bob).ok("dashboard")
        ann = MemberClient(cast.ann).ok("dashboard")
        assert [job["name"] for job in bob["jobs"]] == ["bob's"]
        assert {job["name"] for job in ann["jobs"]} == {"bob's", "alice's"}
        counts = ("job_count", "recurring_jobs", "one_time_jobs")
        assert [bob[name] for name in counts] == [1, 1, 0]
        assert [ann[name] for name in counts] == [2, 1, 1]
        assert bob["user_isolation"] == {"enabled": True, "current_user_id": cast.bob.user_id}
        assert ann["user_isolation"] == {"enabled": False, "current_user_id": cast.ann.user_id}

    def test_fifty_jobs_the_next_to_run_first_and_all_of_them_counted(self, cast: Any) -> None:
        made, at = records.Records(cast.alice), records.now()
        for number in range(55):
            once = TriggerSpec.once(at + timedelta(days=200 - number))
            made.job(name=f"job {number}", trigger=once)
        seen = MemberClient(cast.alice).ok("dashboard")
        assert seen["job_count"] == 55
        assert [job["name"] for job in seen["jobs"]] == [f"job {number}" for number in range(54, 4, -1)]

    def test_a_job_without_a_cursor_is_shown_and_a_deleted_one_is_not(self, cast: Any) -> None:
        made = records.Records(cast.alice)
        lost, gone, _ = (made.job(name=name) for name in ("lost", "gone", "fine"))
        services.job_delete(tenant=cast.tenant, job_id=gone.id, actor="tests")
        with all_tenants_scope():
            Cursor.objects.filter(job=lost).delete()
        seen = MemberClient(cast.alice).ok("dashboard")
        assert ([job["name"] for job in seen["jobs"]], seen["job_count"]) == (["fine", "lost"], 2)

    def test_registered_types_are_those_of_the_plan(self, cast: Any) -> None:
        everything = MemberClient(cast.alice).ok("dashboard")
        assert "http_request" in everything["registered_task_types"]
        with all_tenants_scope():
            plan = cast.tenant.plan
            type(plan).objects.filter(pk=plan.pk).update(allowed_tasks=["http_check"])
        limited = MemberClient(cast.alice).ok("dashboard")
        assert limited["registered_task_types"] == limited["stats"]["registered_types"] == ["http_check"]


def _paths(ids: dict[str, Any]) -> list[tuple[str, str]]:
    """Every GET route with paths that find something. One that is missing here fails the test."""
    found = [
        (endpoint.route, f"{endpoint.at(ids)}?{urlencode(filled(endpoint.query, ids))}") for endpoint in READS
    ]
    return [*found, ("schema", "schema?"), ("execution-log-csv", "execution-logs.csv?")]


def _filters(ids: dict[str, Any]) -> list[str]:
    return [
        f"&user_id={ids['user']}&limit=500&ordering=name&search=o",
        f"&status=failed&job_id={ids['failing']}&event_type=job_failed&task_type=http_check",
        "&since=2020-01-01T00:00:00Z&until=2099-01-01T00:00:00Z&offset=1&limit=1&days=90&count=100",
        "&limit=0",
    ]


_SINCE_TERM = ("total_checks", "tasks_found", "tasks_executed", "tasks_failed", "tasks_skipped")
_CUMULATIVE = (
    "cumulative_total_check_cycles",
    "cumulative_tasks_found",
    "cumulative_tasks_executed",
    "cumulative_tasks_failed",
)
