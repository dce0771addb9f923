"""Matrix E: rows with an old integer, a new string, or both user ids are all found by user, and nobody else's are."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection

from apps.executions.models import ExecutionLog
from apps.operations.user_ids.backfill import user_ids_backfill
from apps.tenants import identity
from apps.tenants.context import all_tenants_scope, tenant_scope
from apps.tenants.models import UserIdentity
from tests.contract.client import MemberClient
from tests.contract.records import count_finished
from tests.factories import MembershipFactory
from tests.legacy import jsonl, ledger_row, old_release_writes, run_import

pytestmark = pytest.mark.django_db

# Alice is 7 in the old system. 8 was never mapped. Bravo has a user 7 of its own.
HISTORY = {
    1: (None, 7),  # old
    2: ("alice", None),  # new
    3: ("alice", 7),  # both
    4: ("7", None),  # the integer, written as a string
    5: (None, 8),  # old, unmapped
    6: ("8", None),
    7: ("bob", None),
    8: ("bob", 7),  # both, and they disagree: the string counts
    9: (None, None),  # nobody's
    10: ("007", None),  # a name, not the number 7
}
OF_BRAVO = {11: (None, 7), 12: ("alice", None)}
FIRST_ID = 10**9  # beyond what the sequence of executions has given out


@pytest.fixture
def history(acme: Any, bravo: Any) -> None:
    with all_tenants_scope():
        UserIdentity.objects.create(tenant=acme, legacy_user_id=7, user_id="alice")
        rows = [ledger_row(acme, *ids, id=FIRST_ID + number) for number, ids in HISTORY.items()]
        rows += [ledger_row(bravo, *ids, id=FIRST_ID + number) for number, ids in OF_BRAVO.items()]
        ExecutionLog.objects.bulk_create(rows)
        count_finished(rows)


def found(tenant: Any, user_id: str) -> set[int]:
    with tenant_scope(tenant):
        rows = ExecutionLog.objects.filter(identity.user_rows(tenant.pk, user_id), tenant=tenant)
        return {pk - FIRST_ID for pk in rows.values_list("id", flat=True)}


WHOSE = [
    ("alice", {1, 2, 3, 4}),
    ("7", {1, 2, 3, 4}),
    ("8", {5, 6}),
    ("bob", {7, 8}),
    ("007", {10}),
    ("nobody", set()),
    ("99999999999999999999", set()),
    ("", set()),
]


class TestReads:
    @pytest.mark.parametrize(("user_id", "expected"), WHOSE)
    def test_every_row_of_a_user_is_found_and_nobody_elses(
        self, history: None, acme: Any, user_id: str, expected: set[int]
    ) -> None:
        assert found(acme, user_id) == expected

    def test_the_same_integer_is_another_person_in_another_tenant(self, history: None, bravo: Any) -> None:
        assert found(bravo, "7") == {11}
        assert found(bravo, "alice") == {12}

    @pytest.mark.parametrize(("user_id", "expected"), [row for row in WHOSE if row[0]])
    def test_the_api_lists_and_counts_them(
        self, history: None, cast: Any, user_id: str, expected: set[int]
    ) -> None:
        page = MemberClient(cast.ann).ok("execution-logs", user_id=user_id)
        assert {log["id"] - FIRST_ID for log in page["logs"]} == expected
        assert page["total_count"] == len(expected)

    def test_payloads_show_the_canonical_string(self, history: None, acme: Any) -> None:
        with tenant_scope(acme):
            shown = identity.canonical_ids(acme.pk, list(HISTORY.values()))
            one = identity.canonical(acme.pk, None, 7)
        assert shown == ["alice"] * 4 + ["8", "8", "bob", "bob", None, "007"]
        assert one == "alice"

    def test_reading_by_user_uses_the_indexes(self, history: None, acme: Any) -> None:
        """Neither half of the condition may scan the ledger."""
        with all_tenants_scope(), connection.cursor() as cursor:
            cursor.execute(
                "INSERT INTO executions_executionlog (id, tenant_id, job_id, job_name, user_id, legacy_user_id, kind,"
                " scheduled_for, run_at, task_type, target, status, attempts, finished_at)"
                " SELECT 1000 + n, %s, n, 'j', 'user' || n %% 500, NULL, 'manual', now() - n * interval '1 second',"
                " now(), 't', 't', 'success', 1, now() FROM generate_series(1, 20000) n",
                [acme.pk],
            )
            cursor.execute("ANALYZE executions_executionlog")
        with tenant_scope(acme):
            rows = ExecutionLog.objects.filter(identity.user_rows(acme.pk, "alice"), tenant=acme)
            plan = rows.order_by("-scheduled_for", "-id")[:50].explain()
        scans = [line for line in plan.splitlines() if "Index Cond" in line and "tenant_id = " in line]
        assert any("user_id)::text = ANY" in line for line in scans), plan
        assert any("legacy_user_id = 7" in line for line in scans), plan


class TestMappings:
    def test_one_that_comes_later_joins_both_halves_at_once(
        self, history: None, acme: Any, cast: Any
    ) -> None:
        client = MemberClient(cast.ann)
        with all_tenants_scope():
            [new] = rows = [ledger_row(acme, "carol", None)]
            new.save(force_insert=True)
            count_finished(rows)
        assert client.ok("execution-logs", user_id="carol")["total_count"] == 1
        with all_tenants_scope():
            UserIdentity.objects.create(tenant=acme, legacy_user_id=8, user_id="carol")
        assert found(acme, "carol") == found(acme, "8") == {5, 6, new.pk - FIRST_ID}
        page = client.ok("execution-logs", user_id="carol")
        assert page["total_count"] == 3
        assert {log["user_id"] for log in page["logs"]} == {"carol"}

    def test_a_backfill_moves_no_row_from_one_user_to_another(self, history: None, acme: Any) -> None:
        before = {user_id: found(acme, user_id) for user_id, _ in WHOSE}
        user_ids_backfill(tenant=acme, actor="tests")
        assert {user_id: found(acme, user_id) for user_id, _ in WHOSE} == before
        with tenant_scope(acme):
            both = ExecutionLog.objects.exclude(user_id=None).exclude(legacy_user_id=None)
            assert {pk - FIRST_ID for pk in both.values_list("id", flat=True)} == {1, 2, 3, 4, 8}


class TestWrites:
    def test_new_ones_fill_both_forms(self, history: None, acme: Any) -> None:
        with tenant_scope(acme):
            assert identity.both_forms(acme.pk, "alice") == ("alice", 7)
            assert identity.both_forms(acme.pk, "7") == ("alice", 7)
            assert identity.both_forms(acme.pk, "8") == ("8", 8)
            assert identity.both_forms(acme.pk, "007") == ("007", None)
            assert identity.both_forms(acme.pk, "bob") == ("bob", None)
            assert identity.both_forms(acme.pk, None) == (None, None)

    def test_an_import_keeps_what_the_old_system_knew(self, history: None, acme: Any, tmp_path: Any) -> None:
        users = [{"user_id": 7}, {"user_id": "alice"}, {"user_id": "alice", "legacy_user_id": 7}]
        run_import(jsonl(tmp_path / "a.jsonl", users))
        with tenant_scope(acme):
            imported = ExecutionLog.objects.filter(kind="imported").order_by("id")
            assert list(imported.values_list("user_id", "legacy_user_id")) == [
                (None, 7),
                ("alice", None),
                ("alice", 7),
            ]
        assert len(found(acme, "alice")) == 7


class TestAWriterThatKnowsOnlyTheInteger:
    """A rolling deploy: the old release still inserts the integer alone, in plain SQL. Bert is 77, in bravo too."""

    @pytest.fixture
    def bert(self, acme: Any) -> Any:
        return MembershipFactory(tenant=acme, username="bert", role="member", legacy_user_id=77)

    @pytest.fixture
    def made(self, bert: Any, acme: Any, bravo: Any) -> dict[str, int]:
        made = old_release_writes(acme, 77)
        old_release_writes(acme, 78)
        old_release_writes(bravo, 77)
        return made

    def read(self, client: MemberClient, user: str | None) -> dict[str, list[Any]]:
        """What each read shows of the user's, by the id that tells it."""
        query = {} if user is None else {"user_id": user}
        path = user or "bert"
        logs = client.ok("execution-logs", **query)
        return {
            "job": [job["task_id"] for job in client.ok("jobs", **query)["jobs"]],
            "log": [log["id"] for log in logs["logs"] if log["status"] == "failed"],
            "live": [log["id"] for log in client.ok("execution-logs", status="running", **query)["logs"]],
            "count": [client.ok("execution-logs", status="failed", **query)["total_count"]],
            "connection": [row["platform"] for row in client.ok("connections", **query)["connections"]],
            "intervention": [
                task["task_id"] for task in client.ok(f"tasks-needing-intervention/{path}")["tasks"]
            ],
            "summary": [client.ok(f"task-intervention/summary/{path}")["total"]],
            "insights": [task["task_id"] for task in client.ok(f"platform-insights/status/{path}")["tasks"]],
            "insight logs": [log["id"] for log in client.ok(f"platform-insights/logs/{path}")["logs"]],
        }

    def expected(self, made: dict[str, int]) -> dict[str, list[Any]]:
        job, log = [made["job"]], [made["log"]]
        return {
            "job": job,
            "log": log,
            "live": [made["live"]],
            "count": [1],
            "connection": ["gsc"],
            "intervention": job,
            "summary": [1],
            "insights": job,
            "insight logs": log,
        }

    @pytest.mark.parametrize("user", ["bert", "77"])
    def test_an_admin_finds_it_by_either_id(self, cast: Any, made: dict[str, int], user: str) -> None:
        assert self.read(MemberClient(cast.ann), user) == self.expected(made)

    def test_the_member_finds_it(self, bert: Any, made: dict[str, int]) -> None:
        client = MemberClient(bert)
        assert self.read(client, None) == self.expected(made)
        assert [job["task_id"] for job in client.ok("dashboard")["jobs"]] == [made["job"]]
        events = client.ok("event-history")["events"]
        assert [(event["id"], event["user_id"]) for event in events] == [(made["event"], "bert")]
        recent = client.ok("recent-scheduler-logs")["logs"]
        assert [log["id"] for log in recent] == [f"scheduler_event_{made['event']}"]
        for path in (
            f"jobs/{made['job']}",
            f"execution-logs/{made['log']}",
            f"execution-logs/{made['live']}",
        ):
            assert client.ok(path)["user_id"] == "bert"

    def test_nobody_else_does(self, acme: Any, cast: Any, made: dict[str, int]) -> None:
        client = MemberClient(cast.bob)
        for path, key in (("jobs", "jobs"), ("execution-logs", "logs"), ("event-history", "events")):
            assert client.ok(path)[key] == []
        assert client.get(f"execution-logs/{made['log']}").status_code == 403

    def test_and_after_the_backfill_it_is_found_as_before(
        self, acme: Any, cast: Any, made: dict[str, int]
    ) -> None:
        user_ids_backfill(tenant=acme, actor="tests")
        assert self.read(MemberClient(cast.ann), "bert") == self.expected(made)
