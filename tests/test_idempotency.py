"""Idempotency-Key: a deed is done once, whoever repeats the request, on whichever process."""

from __future__ import annotations

import http.client
import json
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from django.db import connection, transaction
from django.test import Client
from django.utils import timezone

from apps.jobs import services as job_services
from apps.jobs.models import Job
from apps.tenants import idempotency, keys, services
from apps.tenants.context import all_tenants_scope, tenant_scope
from apps.tenants.crypto import CannotOpen, open_sealed
from apps.tenants.models import ApiKey, AuditEntry, IdempotentRequest, Membership
from tests.factories import key_of
from tests.isolation.routes import ROUTES, Route
from tests.isolation.routes.route import JOB
from tests.isolation.seeds import seed
from tests.web import served

POSTS = [route for route in ROUTES if route.method == "POST"]
OTHER_JOB = {**JOB, "name": "another"}
BASE = "/api/scheduler/"
REPLAYED = "Idempotency-Replayed"


class Caller:
    """POSTs of one member with an Idempotency-Key."""

    def __init__(self, membership: Membership, *, raises: bool = True, **key: Any) -> None:
        self.key, self.text = key_of(membership, **key)
        self._host = f"{membership.tenant.schema_name}.localhost"
        self._client = Client(raise_request_exception=raises)

    def __call__(self, idempotency_key: str | None, body: Any = JOB, path: str = "jobs") -> Any:
        headers = {"Authorization": f"Bearer {self.text}", "Host": self._host}
        if idempotency_key is not None:
            headers["Idempotency-Key"] = idempotency_key
        return self._client.post(
            BASE + path, json.dumps(body), content_type="application/json", headers=headers
        )


@pytest.fixture
def bob(db: None, cast: Any) -> Caller:
    return Caller(cast.bob)


def jobs() -> int:
    with all_tenants_scope():
        return Job.objects.count()


def kept() -> int:
    with all_tenants_scope():
        return IdempotentRequest.objects.count()


# -- the same answer -----------------------------------------------------------------------------------------------


def test_a_person_who_signed_in_repeats_a_request_as_a_key_does(db, cast):
    client = Client(enforce_csrf_checks=True, headers={"Host": cast.host})
    client.force_login(cast.bob.account, backend="django.contrib.auth.backends.ModelBackend")
    client.cookies["csrftoken"] = token = "t" * 32

    def post(sent: str) -> Any:
        headers = {"Idempotency-Key": "k", "X-CSRFToken": sent}
        return client.post(BASE + "jobs", json.dumps(JOB), content_type="application/json", headers=headers)

    assert post("f" * 32).status_code == 403
    first, second = post(token), post(token)
    assert (first.status_code, second.status_code, second.headers[REPLAYED]) == (201, 201, "true")
    assert second.json() == first.json()
    assert jobs() == 1


def test_a_repeated_post_gets_the_first_answer(bob):
    first, second = bob("k"), bob("k")
    assert (first.status_code, first.headers.get(REPLAYED)) == (201, None)
    assert (second.status_code, second.headers[REPLAYED]) == (201, "true")
    assert second.json() == first.json()
    assert second.headers["ETag"] == first.headers["ETag"]
    assert jobs() == 1


def test_without_a_key_every_post_is_one_of_its_own(bob):
    assert bob(None).json()["id"] != bob(None).json()["id"]
    assert kept() == 0


def test_the_answer_is_that_of_then(bob, cast):
    first = bob("k").json()
    job_services.job_update(
        tenant=cast.tenant, job_id=int(first["id"]), changes={"name": "renamed"}, actor="tests"
    )
    assert bob("k").json() == first


@pytest.mark.parametrize(
    ("body", "path"),
    [(OTHER_JOB, "jobs"), (JOB, "jobs?x=1"), ({"trigger": JOB["trigger"]}, "jobs/preview")],
)
def test_another_request_under_the_same_key_is_refused(bob, body, path):
    assert bob("k").status_code == 201
    response = bob("k", body, path)
    assert response.status_code == 422
    assert "Idempotency-Key" in response.json()["detail"]
    assert jobs() == 1


def test_a_trailing_slash_makes_no_other_request(bob):
    first, second = bob("k"), bob("k", path="jobs/")
    assert second.json() == first.json()
    assert REPLAYED in second.headers


@pytest.mark.parametrize("route", POSTS, ids=lambda route: route.path)
def test_every_post_is_done_once(db, acme, bravo, cast, route: Route):
    """The table has every POST of the URL conf; another test sees to that."""
    objects = seed(acme, cast.alice)
    alice = Caller(cast.alice)
    path = route.path.format(**objects)
    first = alice("k", route.body, path)
    assert first.status_code == route.owner, first.content
    with all_tenants_scope():
        deeds = AuditEntry.objects.count()
    second = alice("k", route.body, path)
    assert second.status_code == first.status_code
    assert second.json() == first.json()
    assert second.headers[REPLAYED] == "true"
    with all_tenants_scope():
        assert AuditEntry.objects.count() == deeds


def test_other_methods_take_no_notice_of_the_header(bob, cast):
    job = bob("k").json()["id"]
    headers = {"Authorization": f"Bearer {bob.text}", "Host": cast.host, "Idempotency-Key": "k"}
    for _ in range(2):
        assert REPLAYED not in Client().get(f"{BASE}jobs/{job}", headers=headers).headers
    for name in ("one", "two"):
        answer = Client().patch(
            f"{BASE}jobs/{job}", json.dumps({"name": name}), content_type="application/json", headers=headers
        )
        assert answer.json()["name"] == name


# -- whose key it is -----------------------------------------------------------------------------------------------


def test_a_key_is_its_members_own(bob, cast, other_cast):
    answers = [call("k").json()["id"] for call in (bob, Caller(cast.ann), Caller(other_cast.bob))]
    assert len(set(answers)) == 3
    assert [call("k").headers[REPLAYED] for call in (bob, Caller(cast.ann), Caller(other_cast.bob))]
    for call in (Caller(cast.ann), Caller(other_cast.bob)):
        assert call("k", OTHER_JOB).status_code == 422  # their own is taken; Bob's says nothing


def test_another_tenant_cannot_read_an_answer(bob, cast, other_cast, bravo):
    bob("k")
    with tenant_scope(bravo):
        assert IdempotentRequest.objects.count() == 0
    with all_tenants_scope():
        row = IdempotentRequest.objects.get()
    label = f"answer:{cast.bob.pk}:k"
    assert open_sealed("acme", label, row.sealed)["status"] == 201
    for schema, wrong in (("bravo", label), ("acme", f"answer:{cast.ann.pk}:k"), ("acme", f"{label}2")):
        with pytest.raises(CannotOpen):
            open_sealed(schema, wrong, row.sealed)


def test_the_text_of_a_new_key_is_nowhere_in_the_table(db, cast):
    alice = Caller(cast.alice)
    text = alice("k", {"name": "n"}, "api-keys").json()["key"]
    assert alice("k", {"name": "n"}, "api-keys").json()["key"] == text
    with all_tenants_scope(), connection.cursor() as cursor:
        cursor.execute("SELECT r::text, encode(sealed, 'escape') FROM tenants_idempotentrequest r")
        (stored,) = cursor.fetchall()
    secret = keys.parse(text).secret
    for column in stored:
        assert secret not in column
        assert secret.encode().hex() not in column
    assert ApiKey.objects.filter(prefix=keys.parse(text).prefix).count() == 1


# -- today's rights ------------------------------------------------------------------------------------------------


def test_a_replay_needs_the_role_of_today(bob, cast):
    assert bob("k").status_code == 201
    services.member_role_set(membership=cast.bob, role="viewer", actor="tests")
    assert bob("k").status_code == 403


def test_a_replay_needs_a_valid_key(bob, cast):
    assert bob("k").status_code == 201
    services.api_key_revoke(key=bob.key, actor="tests")
    assert bob("k").status_code == 401
    expired = Caller(cast.bob, expires_at=timezone.now())
    assert expired("k").status_code == 401
    assert Caller(cast.bob, scopes=["read"])("k").status_code == 403


def test_a_members_other_key_gets_the_answer_if_it_may_do_as_much(bob, cast):
    first = bob("k").json()
    assert Caller(cast.bob)("k").json() == first


def test_a_weaker_key_gets_no_answer_that_a_stronger_one_was_given(db, cast):
    """The answer may be a key that the weaker one could not have made."""
    body = {"name": "n", "role": "owner"}
    assert Caller(cast.alice)("k", body, "api-keys").status_code == 201
    for weaker in ({"role": "admin"}, {"scopes": ["write"]}):
        response = Caller(cast.alice, **weaker)("k", body, "api-keys")
        assert response.status_code in (403, 422)
        assert "sched_live" not in response.content.decode()


def test_a_removed_members_answers_are_gone(bob, cast):
    bob("k")
    services.member_remove(membership=cast.bob, actor="tests")
    assert bob("k").status_code == 401
    assert kept() == 0


@pytest.mark.parametrize("who", ["vic", None])
def test_nobody_without_the_right_uses_a_key_up(db, cast, who):
    if who:
        assert Caller(getattr(cast, who))("k").status_code == 403
    else:
        headers = {"Host": cast.host, "Idempotency-Key": "k"}
        answer = Client().post(
            f"{BASE}jobs", json.dumps(JOB), content_type="application/json", headers=headers
        )
        assert answer.status_code == 401
    assert kept() == 0


# -- failures ------------------------------------------------------------------------------------------------------


def test_a_refusal_is_not_kept(bob):
    assert bob("k", {**JOB, "name": ""}).status_code == 400
    assert bob("k", JOB, "jobs/999999/trigger").status_code == 404
    assert kept() == 0
    answer = bob("k")
    assert answer.status_code == 201
    assert REPLAYED not in answer.headers


def test_an_error_of_ours_is_not_kept_and_leaves_nothing(db, cast, monkeypatch):
    """The deed and the answer are one transaction: neither is there without the other."""
    caller = Caller(cast.bob, raises=False)
    with monkeypatch.context() as broken:
        broken.setattr(idempotency, "seal", lambda *_: 1 / 0)
        assert caller("k").status_code == 500
    assert (jobs(), kept()) == (0, 0)
    answer = caller("k")
    assert answer.status_code == 201
    assert REPLAYED not in answer.headers


@pytest.mark.parametrize("key", ["", "x" * 256, "a\tb", "schlüssel", "ключ", "a\x7f"])
def test_keys_that_are_none(bob, key):
    response = bob(key)
    assert response.status_code == 400
    assert "Idempotency-Key" in response.json()["errors"]
    assert (jobs(), kept()) == (0, 0)


@pytest.mark.parametrize("key", ["x" * 255, " x ", "'; DROP TABLE jobs_job; --", "%s%(key)s", '"quoted"'])
def test_odd_keys_that_are_keys(bob, key):
    assert bob(key).status_code == 201
    assert bob(key).headers[REPLAYED] == "true"
    assert jobs() == 1


def test_keys_are_told_apart_to_the_letter(bob):
    for key in ("k", "K", "k.", "kk"):
        assert REPLAYED not in bob(key).headers
    assert jobs() == 4


# -- how long ------------------------------------------------------------------------------------------------------


def _age(hours: int, key: str) -> None:
    with all_tenants_scope(), connection.cursor() as cursor:
        cursor.execute(
            "UPDATE tenants_idempotentrequest SET created_at = clock_timestamp() - %s * interval '1 hour'"
            " WHERE key = %s",
            [hours, key],
        )


def test_an_answer_is_kept_for_a_day(bob):
    first = bob("k")
    _age(23, "k")
    assert bob("k").json() == first.json()
    _age(25, "k")
    again = bob("k", OTHER_JOB)
    assert (again.status_code, again.json()["name"]) == (201, "another")
    assert REPLAYED not in again.headers
    assert bob("k", OTHER_JOB).headers[REPLAYED] == "true"


def test_old_answers_are_removed_as_new_ones_come(bob, cast, other_cast):
    theirs = Caller(other_cast.bob)
    theirs("old")
    for number in range(15):
        bob(f"old{number}")
    with all_tenants_scope(), connection.cursor() as cursor:
        cursor.execute("UPDATE tenants_idempotentrequest SET created_at = created_at - interval '2 days'")
    bob("new")
    assert kept() == 7  # ten at a time: five old ones, the new one, and the other tenant's
    bob("newer")
    with all_tenants_scope():
        left = set(IdempotentRequest.objects.values_list("key", flat=True))
    assert left == {"new", "newer", "old"}


# -- at once, and across processes ---------------------------------------------------------------------------------


def _asked(port: int, key: str, idempotency_key: str, body: Any = JOB) -> tuple[int, str | None, str]:
    client = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    headers = {
        "Authorization": f"Bearer {key}",
        "Host": "acme.localhost",
        "Content-Type": "application/json",
        "Idempotency-Key": idempotency_key,
    }
    try:
        client.request("POST", f"{BASE}jobs", json.dumps(body), headers)
        response = client.getresponse()
        return response.status, response.headers.get(REPLAYED), response.read().decode()
    finally:
        client.close()


@pytest.fixture
def two_servers(live_db: str, tmp_path: Path) -> Any:
    """The ports of two web servers on one database."""
    with ExitStack() as stack:
        ports = []
        for name in ("one", "two"):
            (tmp_path / name).mkdir()
            ports.append(stack.enter_context(served(live_db, tmp_path / name)))
        yield ports


def test_eight_at_once_on_two_servers_do_it_once(two_servers, cast):
    text = key_of(cast.bob)[1]
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda n: _asked(two_servers[n % 2], text, "once"), range(8)))
    assert {status for status, _, _ in answers} == {201}
    assert len({json.loads(body)["id"] for _, _, body in answers}) == 1
    assert len({json.dumps(json.loads(body), sort_keys=True) for _, _, body in answers}) == 1
    assert [replayed for _, replayed, _ in answers].count("true") == 7
    assert jobs() == 1
    assert _asked(two_servers[0], text, "once", OTHER_JOB)[0] == 422
    assert _asked(two_servers[1], text, "once", OTHER_JOB)[0] == 422


def test_of_eight_different_bodies_at_once_one_is_done(two_servers, cast):
    text = key_of(cast.bob)[1]
    bodies = [{**JOB, "name": f"job {n}"} for n in range(8)]
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda n: _asked(two_servers[n % 2], text, "once", bodies[n])[0], range(8)))
    assert sorted(answers) == [201] + [422] * 7
    assert jobs() == 1


def test_who_waits_too_long_is_asked_to_come_back(live_db, cast):
    """The first request is still at work, in a session of its own."""
    held, release = threading.Event(), threading.Event()

    def hold() -> None:
        with tenant_scope(cast.tenant), transaction.atomic():
            idempotency.claim(cast.tenant, cast.bob, "k", "0" * 64)
            held.set()
            release.wait(30)
            transaction.set_rollback(True)
        connection.close()

    holder = threading.Thread(target=hold)
    holder.start()
    try:
        assert held.wait(30)
        response = Caller(cast.bob)("k")
    finally:
        release.set()
        holder.join(30)
    assert (response.status_code, response.headers["Retry-After"]) == (409, "1")
    assert jobs() == 0
    assert Caller(cast.bob)("k").status_code == 201  # the first came to nothing, and the key is free
