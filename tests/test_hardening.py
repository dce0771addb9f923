"""Input that only an attacker or a mistake sends: refused in words, never a 5xx, and never more than was granted."""

import base64
import json

import pytest
from django.core.management import CommandError, call_command
from django.core.management.base import SystemCheckError
from django.db import connection
from django.test import Client, RequestFactory

from apps.tenants import services
from apps.tenants.models import User
from scheduler_saas import checks
from scheduler_saas.wsgi import application
from tests.factories import MembershipFactory, key_of
from tests.isolation.callers import BASE, by_key, sender
from tests.isolation.routes import ROUTES

JOB = next(route.body for route in ROUTES if route.method == "POST" and route.path == "jobs")


def test_a_key_ends_with_its_account(db, cast):
    send = by_key(cast.bob, cast.host)
    assert send("GET", "jobs").status_code == 200
    User.objects.filter(pk=cast.bob.account_id).update(is_active=False)
    assert send("GET", "jobs").status_code == 401


def test_the_scopes_of_a_key_are_its_limits(db, cast):
    reader = sender(cast.host, key=key_of(cast.alice, scopes=["read"])[1])
    writer = sender(cast.host, key=key_of(cast.alice, scopes=["write"])[1])
    assert reader("GET", "jobs").status_code == 200
    assert reader("POST", "jobs", JOB).status_code == 403
    assert reader("POST", "reconcile/cursors", {"dry_run": True, "reason": "r"}).status_code == 403
    assert writer("GET", "jobs").status_code == 403
    assert writer("POST", "jobs", JOB).status_code == 201
    with pytest.raises(services.Refused, match="is no scope"):
        key_of(cast.alice, scopes=["everything"])


def test_nobody_becomes_another_user_by_taking_their_number(db, acme):
    MembershipFactory(tenant=acme, username="zoe", legacy_user_id=7)
    for taken in ({"user_id": "7"}, {"legacy_user_id": 7}):
        with pytest.raises(services.Refused, match="names another user"):
            MembershipFactory(tenant=acme, **taken)
    MembershipFactory(tenant=acme, user_id="8")


@pytest.mark.parametrize(
    ("charset", "status"),
    [
        ("rot13", 415),
        ("base64", 415),
        ("punycode", 415),
        ("undefined", 415),
        ('"utf-16"', 415),
        ("UTF-8", 200),
    ],
)
def test_only_utf_8_is_read(db, charset, status):
    environ = RequestFactory()._base_environ(
        PATH_INFO="/healthz",
        QUERY_STRING="limit=5",
        CONTENT_TYPE=f"application/json; charset={charset}",
    )
    answers = []
    body = b"".join(application(environ, lambda line, headers, *_: answers.append(line)))
    assert [line.split()[0] for line in answers] == [str(status)]
    assert status == 200 or json.loads(body)["detail"]


def test_a_session_key_with_a_nul_is_no_session(db, cast):
    for host, path, status in ((cast.host, f"{BASE}jobs", 401), ("localhost", "/admin/", 302)):
        client = Client()
        client.cookies["sessionid"] = "abcdefgh\0ijkl"
        assert client.get(path, headers={"host": host}).status_code == status


def test_a_sign_in_name_of_any_length_is_only_a_wrong_name(db):
    form = {"username": "x" * 300, "password": "y"}
    assert Client().post("/admin/login/", form, headers={"host": "localhost"}).status_code == 200


@pytest.mark.parametrize(
    ("ordering", "values"),
    [
        ("name", ["\ud800", 5]),
        ("created_at", ["2020-01-01T00:00:00+00:00:30.5", 5]),
        ("created_at", ["0001-01-01T00:00:00+23:59", 5]),
        ("id", [2**70]),
        ("id", ["x"]),
    ],
)
def test_a_made_up_cursor_is_a_400_or_an_empty_page(db, cast, ordering, values):
    cursor = base64.urlsafe_b64encode(json.dumps(values).encode()).decode().rstrip("=")
    response = by_key(cast.alice, cast.host)("GET", f"jobs?ordering={ordering}&cursor={cursor}")
    assert response.status_code in (200, 400), response.content


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("members", '{"username": "zed", "role": "\\ud800"}'),
        ("api-keys", '{"name": "k", "scopes": ["\\ud800"]}'),
        ("executions/bulk-retry", '{"status": "\\ud800"}'),
    ],
)
def test_half_a_surrogate_pair_that_a_complaint_quotes_is_a_400(db, cast, path, body):
    headers = {"Host": cast.host, "Authorization": f"Bearer {key_of(cast.alice)[1]}"}
    response = Client().post(BASE + path, body, content_type="application/json", headers=headers)
    assert response.status_code == 400
    assert '"?"' in response.json()["detail"]


@pytest.mark.parametrize("path", ["jobs", "jobs/preview", "reconcile/cursors"])
def test_a_body_nested_without_end_is_a_400(db, cast, path):
    headers = {"Host": cast.host, "Authorization": f"Bearer {key_of(cast.alice)[1]}"}
    response = Client().post(BASE + path, "[" * 200_000, content_type="application/json", headers=headers)
    assert response.status_code == 400
    assert response.json()["detail"]


def test_too_large_a_body_is_refused_in_json(db, cast):
    headers = {"Host": cast.host, "Authorization": f"Bearer {key_of(cast.alice)[1]}"}
    body = json.dumps({"name": "x" * 3_000_000})
    response = Client().post(f"{BASE}jobs", body, content_type="application/json", headers=headers)
    assert response.status_code == 413
    assert response.json()["detail"]


def test_an_endpoint_with_a_password_in_it_is_refused(db, acme):
    with pytest.raises(CommandError, match="user name or password"):
        call_command("set_endpoint", "acme", "https://user:secret@example.com/")


@pytest.fixture
def forgotten_table(live_db):
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE forgotten (tenant_id bigint)")
    yield
    with connection.cursor() as cursor:
        cursor.execute("DROP TABLE forgotten")


@pytest.mark.parametrize("command", ["run_scheduler", "run_worker", "check_due_tasks"])
def test_no_process_works_on_a_database_that_does_not_keep_tenants_apart(forgotten_table, command):
    assert [message.id for message in checks.isolation_holds(databases=["default"])] == ["scheduler.E002"]
    with pytest.raises(SystemCheckError, match="forgotten"):
        call_command(command)
    response = Client().get("/readyz", headers={"host": "localhost"})
    assert response.status_code == 503
    assert response.json()["checks"]["isolation"] != "ok"
