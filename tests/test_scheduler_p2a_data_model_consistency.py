"""Matrix E: rows with an old integer, a new string, or both user ids are all found by user, and nobody else's are."""

from datetime import UTC, datetime

import pytest
from django.db import connection

from apps.executions.models import ExecutionLog
from apps.jobs.models import Job
from apps.tenants import identity
from apps.tenants.context import all_tenants_scope, tenant_scope
from apps.tenants.models import UserIdentity

AT = datetime(2026, 3, 1, tzinfo=UTC)


def _log(tenant, number: int, user_id: str | None, legacy_user_id: int | None) -> None:
    ExecutionLog.objects.create(
        id=number,
        tenant=tenant,
        job_id=1,
        job_name="j",
        user_id=user_id,
        legacy_user_id=legacy_user_id,
        kind="manual",
        scheduled_for=AT,
        run_at=AT,
        task_type="t",
        target="t",
        status="success",
        attempts=1,
        finished_at=AT,
        created_at=AT,
    )


@pytest.fixture
def history(db, acme, bravo):
    """Alice is 7 in the old system. 8 was never mapped. Bravo has a user 7 of its own."""
    with all_tenants_scope():
        UserIdentity.objects.create(tenant=acme, legacy_user_id=7, user_id="alice")
        _log(acme, 1, None, 7)  # old
        _log(acme, 2, "alice", None)  # new
        _log(acme, 3, "alice", 7)  # both
        _log(acme, 4, "7", None)  # the integer, written as a string
        _log(acme, 5, None, 8)  # old, unmapped
        _log(acme, 6, "8", None)
        _log(acme, 7, "bob", None)
        _log(acme, 8, "bob", 7)  # both, and they disagree: the string counts
        _log(acme, 9, None, None)  # nobody's
        _log(acme, 10, "007", None)  # a name, not the number 7
        _log(bravo, 11, None, 7)
        _log(bravo, 12, "alice", None)


def _found(tenant, user_id: str) -> set[int]:
    rows = ExecutionLog.objects.filter(identity.user_rows(tenant.pk, user_id), tenant=tenant)
    return set(rows.values_list("id", flat=True))


@pytest.mark.parametrize(
    ("user_id", "expected"),
    [
        ("alice", {1, 2, 3, 4}),
        ("7", {1, 2, 3, 4}),
        ("8", {5, 6}),
        ("bob", {7, 8}),
        ("007", {10}),
        ("nobody", set()),
        ("99999999999999999999", set()),
        ("", set()),
    ],
)
def test_every_row_of_a_user_is_found_and_nobody_elses(history, acme, user_id, expected):
    with tenant_scope(acme):
        assert _found(acme, user_id) == expected


def test_the_same_integer_is_another_person_in_another_tenant(history, bravo):
    with tenant_scope(bravo):
        assert _found(bravo, "7") == {11}
        assert _found(bravo, "alice") == {12}


def test_payloads_show_the_canonical_string(history, acme):
    rows = [
        (None, 7),
        ("alice", None),
        ("alice", 7),
        ("7", None),
        (None, 8),
        ("8", None),
        ("bob", 7),
        (None, None),
    ]
    with tenant_scope(acme):
        shown = identity.canonical_ids(acme.pk, rows)
        one = identity.canonical(acme.pk, None, 7)
    assert shown == ["alice", "alice", "alice", "alice", "8", "8", "bob", None]
    assert one == "alice"


def test_new_writes_fill_both_forms(history, acme):
    with tenant_scope(acme):
        assert identity.both_forms(acme.pk, "alice") == ("alice", 7)
        assert identity.both_forms(acme.pk, "7") == ("alice", 7)
        assert identity.both_forms(acme.pk, "8") == ("8", 8)
        assert identity.both_forms(acme.pk, "bob") == ("bob", None)
        assert identity.both_forms(acme.pk, None) == (None, None)


def test_a_writer_that_knows_only_the_integer_is_found_at_once(history, acme):
    """A rolling deploy: the old release still inserts the integer alone, in plain SQL."""
    with all_tenants_scope(), connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO jobs_job (tenant_id, name, legacy_user_id, trigger_type, target, task_type)"
            " VALUES (%s, 'old writer', 7, 'manual', 't', 't')",
            [acme.pk],
        )
    with tenant_scope(acme):
        names = Job.objects.filter(identity.user_rows(acme.pk, "alice"), tenant=acme).values_list(
            "name", flat=True
        )
        assert list(names) == ["old writer"]


def test_reading_by_user_uses_the_indexes(history, acme):
    """Neither half of the condition may scan the ledger."""
    with all_tenants_scope(), connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO executions_executionlog (id, tenant_id, job_id, job_name, user_id, legacy_user_id, kind,"
            " scheduled_for, run_at, task_type, target, status, attempts, finished_at)"
            " SELECT 1000 + n, %s, n, 'j', 'user' || n %% 500, NULL, 'manual', now() - n * interval '1 second', now(),"
            " 't', 't', 'success', 1, now() FROM generate_series(1, 20000) n",
            [acme.pk],
        )
        cursor.execute("ANALYZE executions_executionlog")
    with tenant_scope(acme):
        page = ExecutionLog.objects.filter(identity.user_rows(acme.pk, "alice"), tenant=acme).order_by(
            "-scheduled_for", "-id"
        )[:50]
        plan = page.explain()
    scans = [line for line in plan.splitlines() if "Index Cond" in line and "tenant_id = " in line]
    assert any("user_id)::text = ANY" in line for line in scans), plan
    assert any("legacy_user_id = 7" in line for line in scans), plan
