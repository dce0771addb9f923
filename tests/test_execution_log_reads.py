"""Pages and counts of the ledger: by index at any depth, and exact."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection, connections, transaction
from django.test.utils import CaptureQueriesContext

from apps.executions.counters import CounterFold
from apps.executions.history import Ledger
from apps.executions.models import ExecutionLog
from apps.executions.selectors import finished_count
from apps.leadership.session import LeaderSession
from apps.tenants.context import all_tenants_scope, tenant_scope
from apps.tenants.identity import UserForms, user_forms
from apps.tenants.models import UserIdentity
from tests.contract.client import MemberClient
from tests.contract.records import Records, now
from tests.leaders import UNHURRIED

FILL = """
WITH made AS (
    INSERT INTO executions_executionlog (
        id, tenant_id, job_id, job_name, user_id, legacy_user_id, kind, scheduled_for, run_at, task_type, target,
        status, attempts, finished_at
    )
    SELECT
        5000000 + n, %(tenant)s, n %% 50, 'job', CASE WHEN n %% 3 <> 0 THEN 'user-' || n %% 40 END,
        CASE WHEN n %% 3 <> 1 THEN n %% 40 END, 'manual', %(newest)s - n / 5 * interval '5 minutes', now(), 't', 't',
        CASE WHEN n %% 10 = 0 THEN 'failed' ELSE 'success' END, 1, now()
    FROM generate_series(1, %(rows)s) AS n
    RETURNING tenant_id, coalesce(user_id, legacy_user_id::text, '') AS user_key, status, scheduled_for
)
INSERT INTO executions_delta (tenant_id, user_key, task_type, status, hour, n)
SELECT tenant_id, user_key, 't', status, date_trunc('hour', scheduled_for, 'UTC'), count(*)
FROM made
GROUP BY 1, 2, 4, 5
"""
ROWS = 6000  # five of them at each instant, over four days


def fill(tenant: Any, rows: int = ROWS) -> None:
    with all_tenants_scope(), connection.cursor() as cursor:
        cursor.execute(FILL, {"tenant": tenant.pk, "rows": rows, "newest": now()})
        cursor.execute("ANALYZE executions_executionlog")


@pytest.fixture
def history(db: None, acme: Any, bravo: Any) -> Iterator[Any]:
    """Acme's ledger, seen from inside; Bravo has as many rows at the same instants."""
    with all_tenants_scope():
        UserIdentity.objects.create(tenant=acme, legacy_user_id=7, user_id="user-7")
    fill(acme)
    with all_tenants_scope(), connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO executions_executionlog (id, tenant_id, job_id, job_name, user_id, kind, scheduled_for,"
            " run_at, task_type, target, status, attempts, finished_at) SELECT id + 1000000, %s, job_id, job_name,"
            " user_id, kind, scheduled_for, run_at, task_type, target, status, attempts, finished_at"
            " FROM executions_executionlog WHERE tenant_id = %s",
            [bravo.pk, acme.pk],
        )
    with tenant_scope(acme):
        yield acme


def ledgers(tenant: Any) -> list[tuple[Ledger, dict[str, Any]]]:
    """Every way to ask, and the same as a condition on rows."""
    mapped, both = user_forms(tenant.pk, "user-7"), {"user-7", "7"}
    return [
        (Ledger(tenant.pk), {}),
        (Ledger(tenant.pk, status="failed"), {"status": "failed"}),
        (Ledger(tenant.pk, mapped), {"key": both}),
        (Ledger(tenant.pk, mapped, "failed"), {"key": both, "status": "failed"}),
        (Ledger(tenant.pk, UserForms(["user-8"], [])), {"key": {"user-8"}}),
        (Ledger(tenant.pk, UserForms(["nobody"], [])), {"key": set()}),
    ]


def expected(tenant: Any, condition: dict[str, Any]) -> list[tuple[datetime, int]]:
    """What Python picks from all of the tenant's rows."""
    keys = []
    for row in ExecutionLog.objects.filter(tenant=tenant):
        key = row.user_id if row.user_id is not None else str(row.legacy_user_id)
        if key in condition.get("key", {key}) and row.status == condition.get("status", row.status):
            keys.append((row.scheduled_for, row.pk))
    return sorted(keys, reverse=True)


def keys_of(rows: Any) -> list[tuple[datetime, int]]:
    return [(row.scheduled_for, row.pk) for row in rows]


class TestPages:
    def test_every_page_of_every_list_is_what_a_sort_gives(self, history: Any) -> None:
        for ledger, condition in ledgers(history):
            wanted = expected(history, condition)
            assert keys_of(ledger.read(size=50)) == wanted[:50]
            assert ledger.count() == len(wanted)
            for depth in (1, 7, len(wanted) // 2, len(wanted) - 3, len(wanted)):
                if 0 < depth <= len(wanted):
                    assert keys_of(ledger.read(offset=depth, size=50)) == wanted[depth : depth + 50], depth
                    page = ledger.read(after=wanted[depth - 1], size=50)
                    assert keys_of(page) == wanted[depth : depth + 50], depth
            assert keys_of(ledger.read(offset=len(wanted) + 1, size=50)) == []

    def test_times_bound_pages_and_counts(self, history: Any) -> None:
        every = expected(history, {})
        since, until = every[4000][0], every[1000][0]
        inside = [key for key in every if since <= key[0] < until]
        ledger = Ledger(history.pk, since=since, until=until)
        assert len(inside) > 2000
        assert keys_of(ledger.read(size=5000)) == inside
        assert ledger.count() == len(inside)
        assert keys_of(ledger.read(offset=len(inside) - 2, size=50)) == inside[-2:]
        assert keys_of(Ledger(history.pk, until=every[-1][0]).read(size=5)) == []

    def test_a_page_is_found_however_far_back_or_ahead_it_lies(self, db: None, cast: Any) -> None:
        made, at = Records(cast.alice), now()
        job = made.job()
        times = [at + timedelta(days=3), at, at - timedelta(days=40), at - timedelta(days=4000)]
        rows = [made.finished(job, time, user_id=None, legacy_user_id=3) for time in times]
        with tenant_scope(cast.tenant):
            for ledger in (Ledger(cast.tenant.pk), Ledger(cast.tenant.pk, UserForms(["3"], [3]))):
                assert keys_of(ledger.read(size=10)) == keys_of(rows)
                assert keys_of(ledger.read(after=keys_of(rows)[1], size=1)) == keys_of(rows[2:3])


class TestPlans:
    """No page may sort or scan the ledger. What is read is in the plan's numbers, not in how it looks."""

    @pytest.mark.parametrize("where", ["first", "middle", "near the end"])
    def test_a_page_reads_little_more_than_itself(self, history: Any, where: str) -> None:
        for ledger, condition in ledgers(history):
            wanted = expected(history, condition)
            after = {"first": None, "middle": len(wanted) // 2, "near the end": len(wanted) - 60}[where]
            if (after is not None and after < 0) or not wanted:
                continue
            key = None if after is None else wanted[after]
            with CaptureQueriesContext(connection) as queries:
                ledger.read(after=key, size=50)
            assert 1 <= len(queries) <= 2
            for query in queries:
                branches = len(ledger.user.strings + ledger.user.integers) if ledger.user else 1
                # Two statuses; and merging partitions looks at the first row of each.
                assert rows_read(query["sql"]) <= 2 * branches * (50 + 20), query["sql"]

    def test_partitions_that_a_cursor_rules_out_are_not_in_the_plan(self, history: Any) -> None:
        after = expected(history, {})[100]  # of today or yesterday: days that have partitions
        with CaptureQueriesContext(connection) as queries:
            Ledger(history.pk).read(after=after, size=50)
        [query] = queries
        with connection.cursor() as cursor:
            cursor.execute("EXPLAIN " + query["sql"])
            plan = "\n".join(line for (line,) in cursor.fetchall())
        day = after[0].astimezone(UTC)
        assert f"executionlog_{day:%Y%m%d}" in plan
        assert f"executionlog_{day + timedelta(days=1):%Y%m%d}" not in plan

    def test_a_count_reads_no_log(self, history: Any) -> None:
        for ledger, condition in ledgers(history):
            with CaptureQueriesContext(connection) as queries:
                assert ledger.count() == len(expected(history, condition))
            [query] = [one for one in queries if "executions_tally" in one["sql"]]
            assert "executionlog" not in query["sql"]


def rows_read(sql: str) -> float:
    """Rows that the scans of a statement returned or threw away."""
    with connection.cursor() as cursor:
        cursor.execute("EXPLAIN (ANALYZE, FORMAT JSON) " + sql)
        [[[plan]]] = cursor.fetchall()

    def total(node: dict[str, Any]) -> float:
        own = 0.0
        if node.get("Relation Name", "").startswith("executions_executionlog"):
            thrown_away = node.get("Rows Removed by Filter", 0) + node.get("Rows Removed by Index Recheck", 0)
            own = (node["Actual Rows"] + thrown_away) * node["Actual Loops"]
        return own + sum(total(child) for child in node.get("Plans", []))

    return total(plan["Plan"])


class TestCounts:
    def test_a_page_asks_the_same_few_questions(self, history: Any, cast: Any) -> None:
        client = MemberClient(cast.alice)
        for query in ({}, {"status": "failed"}, {"user_id": "user-7"}, {"user_id": "7", "status": "success"}):
            with CaptureQueriesContext(connection) as queries:
                page = client.ok("execution-logs", **query)
            assert page["logs"]
            assert len(queries) <= 14, [one["sql"] for one in queries]

    def test_no_moment_counts_a_row_twice_or_not_at_all(self, live_db: str, acme: Any) -> None:
        """Writers and the leader's fold at work; in any one snapshot the count is that of the rows."""
        leader = LeaderSession.acquire(replica="counts", timings=UNHURRIED)
        stop = threading.Event()

        def write() -> None:
            try:
                with all_tenants_scope():
                    for number in range(1, 61):
                        with connection.cursor() as cursor:
                            cursor.execute(
                                FILL.replace("5000000 + n", f"{number} * 1000 + n"),
                                {"tenant": acme.pk, "rows": 20, "newest": now() - timedelta(minutes=number)},
                            )
            finally:
                connections.close_all()
                stop.set()

        def fold() -> None:
            step = CounterFold(limit=7)
            while step.run_once(leader).again or not stop.is_set():
                pass

        threads = [threading.Thread(target=one) for one in (write, fold)]
        for thread in threads:
            thread.start()
        compared = 0
        try:
            with tenant_scope(acme):
                while any(thread.is_alive() for thread in threads) or compared == 0:
                    compared += self._compare(acme)
        finally:
            for thread in threads:
                thread.join(60)
            leader.close(reason="test over")
        with tenant_scope(acme):
            self._compare(acme)
            assert finished_count(tenant_id=acme.pk) == 1200

    def test_a_fold_before_any_statement_of_a_count_changes_nothing(self, live_db: str, acme: Any) -> None:
        fill(acme, 200)
        leader = LeaderSession.acquire(replica="counts", timings=UNHURRIED)
        step, folded = CounterFold(limit=9), 0

        def fold_first(execute: Any, *statement: Any) -> Any:
            nonlocal folded
            folded += step.run_once(leader).counts["deltas"]
            return execute(*statement)

        try:
            with tenant_scope(acme), connection.execute_wrapper(fold_first):
                for _ in range(10):
                    assert finished_count(tenant_id=acme.pk) == 200
        finally:
            leader.close(reason="test over")
        assert folded > 50

    @staticmethod
    def _compare(tenant: Any) -> int:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")  # the scope is entered before the transaction, which must be new
        with transaction.atomic():
            with connection.cursor() as cursor:
                cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            for ledger, condition in (
                (Ledger(tenant.pk), {}),
                (Ledger(tenant.pk, status="failed"), {"status": "failed"}),
                (Ledger(tenant.pk, UserForms(["user-7", "7"], [7])), {"key": {"user-7", "7"}}),
            ):
                assert ledger.count() == len(expected(tenant, condition))
        return 1
