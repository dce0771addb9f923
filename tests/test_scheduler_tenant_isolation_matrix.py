"""Matrix B, the database's half: what one tenant's session sees of another's rows, and what survives abuse."""

import threading
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
from asgiref.sync import async_to_sync, sync_to_async
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.contenttypes.models import ContentType
from django.core.checks import Critical
from django.db import DatabaseError, InternalError, ProgrammingError, connection, transaction

from apps.jobs.models import Job
from apps.tenants.context import all_tenants_scope, current_schema_name, tenant_scope
from apps.tenants.models import Tenant
from scheduler_saas import checks
from tests.conftest import database_url
from tests.isolation.raw import partitions, protected_tables, rows, tenant_column, tenant_value
from tests.isolation.seeds import seed


@pytest.fixture
def seeded(db, acme, bravo, cast, other_cast):
    """Both tenants with a row in every shared table."""
    return {"acme": seed(acme, cast.alice), "bravo": seed(bravo, other_cast.alice)}


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
                    "SELECT attname FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0"
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


def test_a_child_cannot_point_at_another_tenants_parent(seeded, acme, bravo):
    """Foreign keys see through row security; composite ones do not let that matter."""
    with all_tenants_scope():
        foreign = Job.objects.create(
            tenant=bravo, name="x", trigger_type="manual", target="tests.noop", task_type="x"
        ).pk
    with tenant_scope(acme), connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        for table in ("jobs_cursor", "executions_skip", "executions_execution"):
            with pytest.raises(DatabaseError, match="violates foreign key"), transaction.atomic():
                cursor.execute(f"UPDATE {table} SET job_id = %s", [foreign])


# -- the scope of a connection -------------------------------------------------------------------------------------


def test_a_scope_ends_with_its_block_whatever_happens(seeded, acme, bravo):
    with pytest.raises(ZeroDivisionError), tenant_scope(acme):
        with tenant_scope(bravo):
            assert {job.tenant_id for job in Job.objects.all()} == {bravo.pk}
        assert {job.tenant_id for job in Job.objects.all()} == {acme.pk}
        raise ZeroDivisionError
    assert current_schema_name() == "public"
    assert Job.objects.count() == 0


def test_rolled_back_scopes_and_savepoints(seeded, acme, bravo):
    """A setting made inside a transaction goes when that is rolled back; the next query must not notice."""
    for tenant in (acme, bravo) * 25:
        with pytest.raises(ZeroDivisionError), transaction.atomic(), tenant_scope(tenant):
            assert {job.tenant_id for job in Job.objects.all()} == {tenant.pk}
            with pytest.raises(DatabaseError), transaction.atomic(), all_tenants_scope():
                rows("SELECT 1/0")
            assert {job.tenant_id for job in Job.objects.all()} == {tenant.pk}
            raise ZeroDivisionError
        assert Job.objects.count() == 0
        with tenant_scope(bravo if tenant is acme else acme):
            assert tenant.pk not in {job.tenant_id for job in Job.objects.all()}


def test_another_thread_starts_outside_every_tenant(live_db, acme, cast):
    seed(acme, cast.alice)

    def count() -> int:
        try:
            return Job.objects.count()
        finally:
            connection.close()

    with tenant_scope(acme):
        assert Job.objects.count() == 1
        with ThreadPoolExecutor(1) as pool:
            assert pool.submit(count).result() == 0
        hop = async_to_sync(sync_to_async(count, thread_sensitive=False))
        assert hop() == 0
        assert Job.objects.count() == 1


def test_cancelled_statements_never_show_another_tenant(live_db, acme, bravo, cast, other_cast):
    """A statement that sets the scope may be cancelled like any other; the query behind it must then not run."""
    seed(acme, cast.alice)
    seed(bravo, other_cast.alice)
    connection.ensure_connection()
    stop = threading.Event()
    pid = [rows("SELECT pg_backend_pid()")[0][0]]

    def spam() -> None:
        with psycopg.connect(database_url(), autocommit=True) as session:
            while not stop.is_set():
                session.execute("SELECT pg_cancel_backend(%s)", pid)

    thread = threading.Thread(target=spam)
    thread.start()
    foreign = answered = cancelled = 0
    try:
        while answered < 20_000:
            tenant = acme if (answered + cancelled) % 2 else bravo
            try:
                with tenant_scope(tenant):
                    if answered % 3:
                        seen = rows("SELECT tenant_id FROM jobs_job")
                    else:
                        with transaction.atomic():
                            seen = rows("SELECT tenant_id FROM jobs_job")
            except DatabaseError:
                cancelled += 1
                continue
            finally:
                if connection.connection is not None:
                    pid[0] = connection.connection.info.backend_pid
            answered += 1
            foreign += [row[0] for row in seen] != [tenant.pk]
    finally:
        stop.set()
        thread.join()
    assert cancelled > 100, "the spam hit nothing, so this proved nothing"
    assert foreign == 0


def test_a_scope_that_was_not_applied_closes_the_connection(live_db, acme):
    """The search path fails to apply: nothing runs on that connection any more."""
    with tenant_scope(acme):
        assert Tenant.objects.count() == 1
    broken = Tenant(schema_name="x" * 63)
    with tenant_scope(broken):
        connection.ensure_connection()
        with psycopg.connect(database_url(), autocommit=True) as session:
            pid = connection.connection.info.backend_pid
            session.execute("SELECT pg_terminate_backend(%s)", [pid])
        with pytest.raises(DatabaseError):
            Tenant.objects.count()
        assert connection.connection is None
    assert Tenant.objects.count() == 0


# -- what the system checks refuse ---------------------------------------------------------------------------------


def _messages() -> list[str]:
    return [f"{message.id}" for message in checks.isolation_holds(databases=["default"])]


def test_the_database_as_migrated_passes_the_checks(db):
    assert _messages() == []


def test_a_shared_table_or_partition_without_row_security_is_refused(db):
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE forgotten (id int, tenant_id bigint)")
        assert _messages() == ["scheduler.E002"]
        cursor.execute("ALTER TABLE forgotten ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY")
        assert _messages() == ["scheduler.E004"]
        cursor.execute("DROP TABLE forgotten")
        cursor.execute(
            "CREATE TABLE late PARTITION OF executions_attempt FOR VALUES FROM ('1999-01-01') TO ('1999-01-02')"
        )
        assert _messages() == ["scheduler.E002"]
        cursor.execute("ALTER TABLE late ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY")
        assert _messages() == []
        cursor.execute("CREATE POLICY open ON late USING (true)")
        assert _messages() == ["scheduler.E003"]


def test_a_role_that_row_security_does_not_bind_is_refused(db):
    for attributes in ((True, False), (False, True)):
        found = checks._of_role("postgres", *attributes)
        assert [message.id for message in found] == ["scheduler.E001"]
        assert isinstance(found[0], Critical)
    assert checks._of_role("scheduler", False, False) == []


def test_the_session_of_a_get_cannot_write(db, acme):
    with tenant_scope(acme), pytest.raises(InternalError, match="read-only"), transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION READ ONLY")
        Job.objects.create(tenant=acme, name="x", trigger_type="manual", target="t", task_type="t")
