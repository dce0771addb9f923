"""Matrix B: what one tenant sees of another, in raw SQL and over HTTP."""

import pytest
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.contenttypes.models import ContentType
from django.db import DatabaseError, IntegrityError, ProgrammingError, connection, transaction
from django.test import Client
from psycopg.errors import ForeignKeyViolation

from apps.executions import queue
from apps.executions.models import Execution
from apps.jobs.models import Job
from apps.tenants import machine
from apps.tenants.context import all_tenants_scope, tenant_scope
from apps.tenants.models import Tenant
from tests.casts import Cast
from tests.isolation.callers import by_key
from tests.isolation.canaries import TestCanaries, TestLogLines, TestOnCall, TestTwoKeys
from tests.isolation.crossings import (
    TestBulk,
    TestCursors,
    TestExports,
    TestHosts,
    TestIdempotencyKeys,
    TestOrderAndSearch,
    TestVersions,
)
from tests.isolation.http import TestRoutes, TestTheTable
from tests.isolation.raw import partitions, protected_tables, rows, tenant_column, tenant_value
from tests.isolation.seeds import seed

__all__ = [
    "TestBulk",
    "TestCanaries",
    "TestCursors",
    "TestExports",
    "TestHosts",
    "TestIdempotencyKeys",
    "TestLogLines",
    "TestOnCall",
    "TestOrderAndSearch",
    "TestRoutes",
    "TestTheTable",
    "TestTwoKeys",
    "TestVersions",
]


class SeededWorld:
    """Both tenants with a row in every shared table."""

    def __init__(self, acme, bravo):
        self.cast, self.other_cast = Cast(acme), Cast(bravo)
        self.ids = {"acme": seed(acme, self.cast.alice), "bravo": seed(bravo, self.other_cast.alice)}


@pytest.fixture(scope="class")
def _seeded_world(class_transaction, acme, bravo):
    return SeededWorld(acme, bravo)


@pytest.fixture
def seeded(_seeded_world, db):
    return _seeded_world.ids


@pytest.fixture
def cast(_seeded_world, db):
    return _seeded_world.cast


@pytest.fixture
def other_cast(_seeded_world, db):
    return _seeded_world.other_cast


def test_every_shared_table_has_rows_of_both_tenants(seeded, acme, bravo):
    """Guards the tests below: a new table without a seed would pass them by being empty."""
    for table in protected_tables():
        column = tenant_column(table)
        if column is None:
            continue
        for tenant in (acme, bravo):
            with tenant_scope(tenant):
                found = {row[0] for row in rows(f"SELECT {column} FROM {table}")}
            assert found == {tenant_value(table, tenant)}, table


def test_without_a_tenant_nothing_is_seen(seeded):
    for table in protected_tables():
        assert rows(f"SELECT 1 FROM {table}") == [], table


def test_a_tenant_cannot_change_or_delete_anothers_rows(seeded, acme, bravo):
    with tenant_scope(acme), connection.cursor() as cursor:
        for table in protected_tables():
            column = tenant_column(table)
            if column is None:
                continue
            foreign = [tenant_value(table, bravo)]
            cursor.execute(f"UPDATE {table} SET {column} = {column} WHERE {column} = %s", foreign)
            assert cursor.rowcount == 0, table
            cursor.execute(f"DELETE FROM {table} WHERE {column} = %s", foreign)
            assert cursor.rowcount == 0, table


def test_a_tenant_cannot_insert_rows_for_another(seeded, acme, bravo):
    """Its own row, sent back with the other's id: refused by the policy before any other rule is looked at."""
    for table in protected_tables():
        column = tenant_column(table)
        if column is None:
            continue
        with tenant_scope(acme):
            columns = [
                name
                for (name,) in rows(
                    "SELECT quote_ident(attname) FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0"
                    " AND NOT attisdropped AND attidentity = '' ORDER BY attnum",
                    [table],
                )
            ]
            values = ", ".join("%(other)s" if name == column else name for name in columns)
            with (
                pytest.raises(ProgrammingError, match="row-level security"),
                transaction.atomic(),
                connection.cursor() as cursor,
            ):
                cursor.execute(
                    f"INSERT INTO {table} ({', '.join(columns)}) SELECT {values} FROM {table} LIMIT 1",
                    {"other": "foreign" if table == "tenants_tenant" else bravo.pk},
                )


def test_a_partition_asked_for_by_name_shows_nothing(seeded, acme):
    assert len(partitions()) > 3
    for partition in partitions():
        with tenant_scope(acme):
            assert rows(f"SELECT 1 FROM {partition}") == [], partition
        with all_tenants_scope():
            assert rows(f"SELECT 1 FROM {partition}") == [], partition


def test_results_are_hidden_from_the_machine(seeded, acme):
    with all_tenants_scope():
        assert rows("SELECT 1 FROM executions_executionoutput") == []
    with tenant_scope(acme):
        assert len(rows("SELECT 1 FROM executions_executionoutput")) == 1


def test_audit_entries_cannot_be_changed_or_deleted_by_anyone(seeded):
    with all_tenants_scope(), connection.cursor() as cursor:
        cursor.execute("UPDATE tenants_auditentry SET reason = 'never'")
        assert cursor.rowcount == 0
        cursor.execute("DELETE FROM tenants_auditentry")
        assert cursor.rowcount == 0


def test_the_admins_log_is_on_calls_alone(seeded, cast, acme):
    with all_tenants_scope():
        LogEntry.objects.create(
            user=cast.alice.account,
            content_type=ContentType.objects.get_for_model(Job),
            object_repr="x",
            action_flag=CHANGE,
        )
        assert LogEntry.objects.count() == 1
    with tenant_scope(acme):
        assert LogEntry.objects.count() == 0


def test_a_scope_that_cannot_be_applied_leaves_nobody_in_the_last_one(live_db, acme, bravo):
    """The server refuses the statement that changes the tenant: a function of the same name stands before it.

    More of this, with statements that are cancelled at random, is in `test_connection_scope`.
    """
    seed(acme, Cast(acme).alice)
    with connection.cursor() as cursor:
        cursor.execute("CREATE SCHEMA refusing")
    try:
        with tenant_scope(acme), connection.cursor() as cursor:
            cursor.execute(
                "CREATE FUNCTION refusing.set_config(text, text, boolean) RETURNS text LANGUAGE plpgsql AS"
                " $$ BEGIN RAISE EXCEPTION 'refused'; END $$"
            )
            cursor.execute("SET search_path = acme, refusing, public, pg_catalog")
            assert len(rows("SELECT 1 FROM jobs_job")) == 1
            with tenant_scope(bravo), pytest.raises(DatabaseError, match="refused"):
                rows("SELECT 1 FROM jobs_job")
            assert connection.connection is None
        with tenant_scope(bravo):
            assert rows("SELECT 1 FROM jobs_job") == []
    finally:
        connection.close()
        with connection.cursor() as cursor:
            cursor.execute("DROP SCHEMA refusing CASCADE")


def test_a_child_cannot_point_at_another_tenants_parent(seeded, acme, bravo):
    """Foreign keys see through row security; composite ones, and the queue's trigger, do not let that matter."""
    with all_tenants_scope():
        foreign = Job.objects.create(
            tenant=bravo, name="x", trigger_type="manual", target="tests.noop", task_type="x"
        ).pk
    with tenant_scope(acme), connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        for table in ("jobs_cursor", "executions_skip", "executions_execution"):
            with pytest.raises(IntegrityError) as refusal, transaction.atomic():
                cursor.execute(f"UPDATE {table} SET job_id = %s", [foreign])
            assert refusal.value.__cause__.sqlstate == ForeignKeyViolation.sqlstate, table
        columns = [column.column for column in Execution._meta.concrete_fields if not column.primary_key]
        copied = ", ".join(columns)
        others = ", ".join("%s" if column == "job_id" else column for column in columns)
        with pytest.raises(IntegrityError, match="not of a job of its tenant"), transaction.atomic():
            cursor.execute(
                f"INSERT INTO executions_execution ({copied}) SELECT {others} FROM executions_execution LIMIT 1",
                [foreign],
            )


# -- over HTTP; the tests that are imported need these two ---------------------------------------------------------


@pytest.fixture
def objects(seeded):
    """The ids that a route's path names: Acme's, of Alice."""
    return seeded["acme"]


@pytest.fixture
def session(live_db):
    with machine.connect(application_name="tests", session_settings=queue.PINNED_PLANS) as opened:
        yield opened


def test_probes_answer_on_any_host(db):
    client = Client()
    for host in ("nowhere.example", "acme.localhost", "localhost"):
        assert client.get("/healthz", headers={"host": host}).status_code == 200
        assert client.get("/readyz", headers={"host": host}).status_code == 200


def test_a_suspended_tenant_is_told_so(objects, cast, acme):
    with all_tenants_scope():
        Tenant.objects.filter(pk=acme.pk).update(status="suspended")
    response = by_key(cast.alice, cast.host)("GET", "jobs")
    assert response.status_code == 403
    assert "suspended" in response.json()["detail"]
