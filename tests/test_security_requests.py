"""Requests that are too large, too deep or too many: refused in words by the whole stack, a sign-in included."""

from __future__ import annotations

import http.client
import json
import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from axes.models import AccessAttempt
from django.conf import settings as django_settings
from django.test import Client, RequestFactory
from django.utils import timezone

from apps.tenants.client_address import client_address
from tests.contract.client import MemberClient
from tests.factories import key_of
from tests.isolation.callers import BASE
from tests.web import served


def post(cast: Any, path: str, body: bytes | str, **headers: str) -> Any:
    sent = {"Host": cast.host, "Authorization": f"Bearer {key_of(cast.alice)[1]}", **headers}
    return Client().post(BASE + path, body, content_type="application/json", headers=sent)


@pytest.mark.parametrize("headers", [{}, {"Idempotency-Key": "once"}], ids=["plain", "idempotent"])
def test_a_body_that_is_too_large_is_413(db: None, cast: Any, headers: dict[str, str]) -> None:
    just = json.dumps({"name": "x" * (django_settings.DATA_UPLOAD_MAX_MEMORY_SIZE - 12)})
    assert len(just) == django_settings.DATA_UPLOAD_MAX_MEMORY_SIZE
    assert post(cast, "jobs", just, **headers).status_code == 400, "read, and found wanting"
    response = post(cast, "jobs", just + " ", **headers)
    assert response.status_code == 413
    assert "large" in response.json()["detail"]


@pytest.mark.parametrize("path", ["jobs", "jobs/preview", "reconcile/cursors"])
@pytest.mark.parametrize(
    "body", ["[" * 33 + "]" * 33, '{"a":' * 200_000, '{"name":"a","name":"b"}', '{"name":NaN}', "\x00", ""]
)
def test_what_is_not_plain_json_is_400_in_words(db: None, cast: Any, path: str, body: str) -> None:
    response = post(cast, path, body)
    assert response.status_code == 400, response.content
    assert response.json()["detail"]


def test_a_query_of_a_thousand_parameters_is_400(db: None, cast: Any) -> None:
    client = MemberClient(cast.alice)
    assert client.get("jobs?" + "&".join(f"p{n}=1" for n in range(1001))).status_code == 400


# -- over a socket -----------------------------------------------------------------------------------------------------


@pytest.fixture
def web(live_db: str, tmp_path: Path) -> Iterator[int]:
    with served(live_db, tmp_path) as port:
        yield port


def ask(port: int, path: str, **headers: str) -> tuple[int, dict[str, str]]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request("GET", path, headers={"Host": "localhost", **headers})
        response = connection.getresponse()
        return response.status, {name.lower(): value for name, value in response.getheaders()}
    finally:
        connection.close()


def test_the_web_server_bounds_the_request_line_and_the_fields(web: int) -> None:
    status, headers = ask(web, "/healthz")
    assert status == 200
    assert not re.search(r"\d", headers.get("server", "")), "which version answers is nobody's business"
    assert ask(web, "/healthz?" + "a" * 4000)[0] == 200
    assert ask(web, "/healthz?" + "a" * 4100)[0] == 414
    assert ask(web, "/healthz", **{"X-Long": "a" * 9000})[0] == 431
    assert ask(web, "/healthz", **{f"X-{n}": "a" for n in range(120)})[0] == 431


# -- signing in --------------------------------------------------------------------------------------------------------


def sign_in(username: str, password: str, address: str, forwarded: str = "") -> int:
    client = Client(headers={"Host": "localhost"}, REMOTE_ADDR=address)
    headers = {"X-Forwarded-For": forwarded} if forwarded else {}
    form = {"username": username, "password": password}
    return client.post("/admin/login/", form, headers=headers).status_code


RIGHT = "correct horse battery"


def test_the_eleventh_try_is_locked_out_alone_and_for_a_while(
    db: None, olga: Any, django_user_model: Any
) -> None:
    django_user_model.objects.create_superuser("oscar", password=RIGHT)
    tries = [sign_in("olga", f"guess {n}", "192.0.2.7") for n in range(11)]
    assert tries[:9] == [200] * 9
    assert tries[10] == 429
    assert sign_in("olga", RIGHT, "192.0.2.7") == 429, "the right password is too late"
    assert sign_in("olga", RIGHT, "192.0.2.8") == 302, "from elsewhere"
    assert sign_in("oscar", RIGHT, "192.0.2.7") == 302, "another person there"
    locked = AccessAttempt.objects.filter(username="olga", ip_address="192.0.2.7")
    assert locked.update(attempt_time=timezone.now() - timedelta(minutes=9)) == 1
    assert sign_in("olga", RIGHT, "192.0.2.7") == 429
    locked.update(attempt_time=timezone.now() - timedelta(minutes=10, seconds=1))
    assert sign_in("olga", RIGHT, "192.0.2.7") == 302, "the lock has cooled off"


def test_a_made_up_forwarded_address_neither_frees_nor_locks_out(db: None, olga: Any, settings: Any) -> None:
    for n in range(11):
        sign_in("olga", "guess", "192.0.2.7", forwarded=f"198.51.100.{n}")
    assert sign_in("olga", RIGHT, "192.0.2.7", forwarded="198.51.100.99") == 429
    assert sign_in("olga", RIGHT, "198.51.100.1") == 302
    settings.TRUSTED_PROXIES = 1
    for n in range(11):  # the proxy appends its peer to whatever the client had written
        sign_in("olga", "guess", "10.0.0.1", forwarded=f"198.51.100.{n}, 203.0.113.5")
    assert sign_in("olga", RIGHT, "10.0.0.1", forwarded="203.0.113.9, 203.0.113.5") == 429
    assert sign_in("olga", RIGHT, "10.0.0.1", forwarded="203.0.113.5, 203.0.113.9") == 302


@pytest.mark.parametrize(
    ("proxies", "forwarded", "address"),
    [
        (0, "198.51.100.1", "10.0.0.1"),
        (1, "", "10.0.0.1"),
        (1, "198.51.100.1", "198.51.100.1"),
        (1, "203.0.113.7, 198.51.100.1", "198.51.100.1"),
        (2, "203.0.113.7, 198.51.100.1, 10.0.0.2", "198.51.100.1"),
        (2, "198.51.100.1", "10.0.0.1"),
        (1, "nonsense", "10.0.0.1"),
        (1, "2001:DB8::1", "2001:db8::1"),
    ],
)
def test_whose_address_it_is(settings: Any, proxies: int, forwarded: str, address: str) -> None:
    settings.TRUSTED_PROXIES = proxies
    request = RequestFactory().get("/", REMOTE_ADDR="10.0.0.1", headers={"X-Forwarded-For": forwarded})
    assert client_address(request) == address
