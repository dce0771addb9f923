"""Matrix B: what one tenant sees of another, in raw SQL and over HTTP."""

import pytest
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.contenttypes.models import ContentType
from django.db import DatabaseError, ProgrammingError, connection, transaction
from django.test import Client

from apps.jobs.models import Job
from apps.tenants.context import all_tenants_scope, tenant_scope
from apps.tenants.models import Tenant
from tests.isolation.callers import by_key, closed_callers, sender
from tests.isolation.raw import partitions, protected_tables, rows, tenant_column, tenant_value
from tests.isolation.routes import ROUTES
from tests.isolation.seeds import canary, seed
from tests.isolation.urlconf import offered_methods


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


# -- over HTTP -----------------------------------------------------------------------------------------------------


@pytest.fixture
def objects(seeded):
    """The ids that a route's path names: Acme's, of Alice."""
    return seeded["acme"]


def test_every_route_and_method_has_a_row():
    """A new route without a row in the table fails here."""
    offered = {(name, method) for name, methods in offered_methods().items() for method in methods}
    assert offered == {(route.name, route.method) for route in ROUTES}


@pytest.mark.parametrize("path", sorted({route.path for route in ROUTES}))
def test_methods_without_a_row_are_not_allowed(objects, cast, path):
    offered = {route.method for route in ROUTES if route.path == path}
    send = by_key(cast.alice, cast.host)
    for method in sorted({"GET", "POST", "PUT", "PATCH", "DELETE"} - offered):
        for slash in ("", "/"):
            response = send(method, path.format(**objects) + slash, {})
            assert response.status_code == 405, (method, response.content)
            assert set(response["Allow"].split(", ")) - {"HEAD", "OPTIONS"} == offered
            assert response.json()["detail"]


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route.method} {route.path}")
@pytest.mark.parametrize("caller", ["owner", "admin", "member", "viewer", "elsewhere"])
def test_who_gets_what(objects, cast, other_cast, route, caller):
    people = {"owner": cast.alice, "admin": cast.ann, "member": cast.bob, "viewer": cast.vic}
    send = (
        by_key(other_cast.alice, other_cast.host)
        if caller == "elsewhere"
        else by_key(people[caller], cast.host)
    )
    response = send(route.method, route.path.format(**objects), route.body)
    assert response.status_code == getattr(route, caller), response.content
    if caller not in ("owner", "admin"):
        assert canary(cast.tenant).encode() not in response.content
    if response.status_code >= 400 and route.name != "health":
        assert response.json()["detail"]


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route.method} {route.path}")
def test_everyone_else_is_turned_away(objects, cast, other_cast, route):
    for kind, (send, status) in closed_callers(cast, other_cast).items():
        response = send(route.method, route.path.format(**objects), route.body)
        assert response.status_code == status, (kind, response.content)
        assert response.json()["detail"], kind
        assert canary(cast.tenant).encode() not in response.content


@pytest.mark.parametrize("path", ["execution-logs", "event-history", "jobs"])
@pytest.mark.parametrize(
    "query",
    ["user_id={user}", "job_id={job}", "search=canary", "limit=500", "status=failed", "offset=0&limit=1"],
)
def test_filters_of_one_tenant_never_reach_another(objects, cast, other_cast, path, query):
    send = by_key(other_cast.alice, other_cast.host)
    response = send("GET", f"{path}?{query.format(user=cast.alice.user_id, **objects)}")
    assert response.status_code in (200, 400), response.content
    assert canary(cast.tenant).encode() not in response.content


def test_a_cursor_of_one_tenant_is_no_way_into_another(objects, cast, other_cast):
    mine, theirs = by_key(cast.alice, cast.host), by_key(other_cast.alice, other_cast.host)
    for _ in range(3):
        assert mine("POST", "jobs", ROUTES[1].body).status_code == 201
    cursor = mine("GET", "jobs?limit=1").json()["next_cursor"]
    response = theirs("GET", f"jobs?limit=500&cursor={cursor}")
    assert response.status_code == 200
    assert canary(cast.tenant).encode() not in response.content
    assert "made here" not in response.content.decode()


def test_on_the_api_host_the_key_names_the_tenant(objects, cast, other_cast):
    mine, theirs = by_key(cast.alice, "api.localhost"), by_key(other_cast.alice, "api.localhost")
    path = f"jobs/{objects['job']}"
    assert mine("GET", path).status_code == 200
    assert theirs("GET", path).status_code == 404
    assert sender("api.localhost")("GET", path).status_code == 401


def test_the_admin_is_not_on_a_tenants_host(objects, cast):
    client = Client()
    for path in ("/admin/", "/admin/login/", "/admin/jobs/job/"):
        assert client.get(path, headers={"host": cast.host}).status_code == 404


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
