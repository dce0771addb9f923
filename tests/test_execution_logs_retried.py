"""Failures that nobody has run again, and what a log says of them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from apps.dashboard import selectors
from apps.executions.models import ExecutionLog
from apps.executions.states import Kind
from apps.jobs.retries import runs_retry
from apps.tenants.context import all_tenants_scope, tenant_scope
from tests.contract.client import MemberClient
from tests.contract.records import Records, now
from tests.test_execution_log_reads import fill, rows_read

pytestmark = pytest.mark.django_db
MINUTE = timedelta(minutes=1)


def test_lists_narrow_to_what_was_or_was_not_run_again(cast: Any) -> None:
    made, at = Records(cast.bob), now()
    job = made.job()
    left = made.finished(job, at - 9 * MINUTE, error_text="x")
    again = made.finished(job, at - 8 * MINUTE, error_text="x")
    waiting = made.finished(job, at - 7 * MINUTE, error_text="x")
    fine = made.finished(job, at - 6 * MINUTE, result=1)
    retry = made.finished(job, at - 5 * MINUTE, error_text="x", kind=Kind.RETRY, retry_of=again.pk)
    runs_retry(
        tenant=made.tenant, execution_ids=[waiting.pk], owner=None, actor="tests"
    )  # nobody works on it
    skip = made.skip(job, at - 3 * MINUTE, at - 2 * MINUTE, 2)

    def found(as_: Any = cast.bob, **query: Any) -> set[int]:
        answer = MemberClient(as_).ok("execution-logs", **query)
        assert answer["total_count"] == len(answer["logs"])
        return {log["id"] for log in answer["logs"]}

    assert found(retried="false", status="failed") == {left.pk, retry.pk}
    assert found(retried="true", status="failed") == {again.pk, waiting.pk}
    assert found(retried="false") == {left.pk, retry.pk, fine.pk}
    assert found(retried="false", since=(at - 6 * MINUTE).isoformat(), job_id=job.pk) == {retry.pk, fine.pk}
    assert found(retried="true", status="skipped") == {-skip.pk}
    assert found(cast.alice, retried="false", status="failed") == {left.pk, retry.pk}
    assert found(cast.vic, retried="false") == set()
    refused = MemberClient(cast.bob).get("execution-logs", retried="perhaps")
    assert (refused.status_code, list(refused.json()["errors"])) == (400, ["retried"])


def test_what_was_run_again_is_found_by_way_of_the_retries(cast: Any) -> None:
    """By how many rows are looked at: the ledger is large, and retries are few."""
    fill(cast.tenant, 60_000)
    with all_tenants_scope(), connection.cursor() as cursor:
        cursor.execute("UPDATE executions_executionlog SET retry_of = id - 1 WHERE id %% 1000 = 0", [])
        cursor.execute("ANALYZE executions_executionlog")
    with tenant_scope(cast.tenant), CaptureQueriesContext(connection) as queries:
        found = selectors.with_retry(selectors.finished(cast.tenant, None), cast.tenant).order_by().count()
        rest = selectors.without_retry(selectors.finished(cast.tenant, None), cast.tenant).order_by().count()
    again, _ = [query["sql"] for query in queries]
    total = found + rest
    with tenant_scope(cast.tenant):
        assert total == ExecutionLog.objects.filter(tenant=cast.tenant).count()
        assert 0 < found < 100
        assert rows_read(again) <= 10 * found


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (
            "Traceback (most recent call last):\n  File …\nValueError: no such shop\n",
            "ValueError: no such shop",
        ),
        ("HTTP 500\nand more", "HTTP 500"),
        ("one line", "one line"),
    ],
)
def test_of_a_traceback_the_line_is_the_one_that_says_what_was_raised(
    cast: Any, text: str, line: str
) -> None:
    made = Records(cast.bob)
    made.finished(made.job(), now() - MINUTE, error_text=text)
    [log] = MemberClient(cast.bob).ok("execution-logs")["logs"]
    assert log["error_message"] == line
