"""Matrix B: bytes planted in every text column of one tenant are looked for in all that anybody else is told."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.urls import get_resolver

from apps.tenants import context
from scheduler_saas.admin import site
from tests.admin_rows import page
from tests.contract.asking import undone
from tests.isolation.callers import body_of, by_key, closed_callers
from tests.isolation.columns import holds, text_columns
from tests.isolation.http import asked_as
from tests.isolation.raw import rows
from tests.isolation.routes import ROUTES
from tests.isolation.seeds import canary, confidential, number, write_only
from tests.workers import execution, job_of, put, workers

# Columns that could hold the canary by their length, but whose words are ours or checked.
OUR_WORDS = {
    "executions_skip.reason": "one of a few words",
    "jobs_job.cron_expression": "a schedule, refused unless it is one",
    "jobs_job.timezone": "a zone's name, refused unless it is one",
    "jobs_job.target": "the name of a registered task",
    "leadership_schedulerevent.event_type": "one of a few words",
    "tenants_apikey.secret_hash": "a SHA-256",
    "tenants_domain.domain": "a host's name",
    "jobs_calendar.timezone": "a zone's name, refused unless it is one",
    "jobs_noticewanted.events": "of a few words",
    "vault_notificationchannel.events": "of a few words",
    "vault_connection.platform": "the name of a registered platform",
}
FILTERS = [
    "user_id={user}",
    "job_id={job}",
    "search=canary",
    "search=%25",
    "status=failed",
    "task_type=" + "{text}",
    "event_type=job_failed",
    "limit=500",
    "offset=0&limit=1",
    "ordering=name",
    "since=2000-01-01T00:00:00Z&until=2999-01-01T00:00:00Z",
]


class TestCanaries:
    def test_every_text_column_holds_the_canary(self, seeded: Any, acme: Any, bravo: Any) -> None:
        """Guards the searches below: a new column without the canary would pass them by being empty."""
        for tenant in (acme, bravo):
            text = canary(tenant)
            without = {
                str(column)
                for column in text_columns(tenant.schema_name, len(text))
                if not holds(column, tenant, text)
            }
            assert without == set(OUR_WORDS)

    def test_the_tenant_finds_its_own(self, objects: Any, cast: Any) -> None:
        """Guards the searches below: a search that finds nothing at all would prove nothing."""
        send = by_key(cast.alice, cast.host)
        seen = b"".join(body_of(asked_as(send, route, objects)) for route in ROUTES if route.method == "GET")
        assert canary(cast.tenant).encode() in seen
        assert confidential(cast.tenant).encode() in seen

    def test_credentials_are_shown_to_nobody(self, objects: Any, cast: Any, browser: Client) -> None:
        never = write_only(cast.tenant).encode()
        send = by_key(cast.alice, cast.host)
        for route in ROUTES:
            with undone():
                assert never not in body_of(asked_as(send, route, objects)), route

    def test_no_answer_and_no_log_line_of_another_tenant_holds_it(
        self, objects: Any, cast: Any, other_cast: Any, caplog: Any
    ) -> None:
        caplog.set_level(logging.DEBUG)
        foreign, own = canary(cast.tenant).encode(), canary(other_cast.tenant).encode()
        names = {
            **objects,
            "user": "1",
            "type": "any",
        }  # an id that is an echo, not a leak, must not hold the canary
        found = b""
        for host in (other_cast.host, "api.localhost"):
            send = by_key(other_cast.alice, host)
            for route in ROUTES:
                with undone():
                    said = body_of(asked_as(send, route, names))
                assert foreign not in said, (host, route)
                found += said
        assert own in found
        assert foreign.decode() not in caplog.text

    @pytest.mark.parametrize("route", [r for r in ROUTES if r.method == "GET"], ids=lambda r: r.path)
    def test_filters_never_reach_another_tenant(
        self, objects: Any, cast: Any, other_cast: Any, route: Any
    ) -> None:
        send = by_key(other_cast.alice, other_cast.host)
        foreign = canary(cast.tenant).encode()
        path = route.path.format(**{**objects, "user": other_cast.alice.user_id})
        for query in FILTERS:
            text = query.format(**objects, text=foreign.decode())
            response = send("GET", f"{path}{'&' if '?' in path else '?'}{text}")
            assert response.status_code in (200, 400, 404, 503), (text, response.content)
            echoes = objects["user"].encode()
            assert foreign not in body_of(response).replace(echoes, b""), text

    @pytest.mark.parametrize(
        "route", [r for r in ROUTES if r.method == "GET" and not r.shared], ids=lambda r: r.path
    )
    def test_filters_never_reach_another_member(self, objects: Any, cast: Any, route: Any) -> None:
        text = canary(cast.tenant)
        path = route.path.format(**{**objects, "user": cast.bob.user_id})
        for member in (cast.bob, cast.vic):
            send = by_key(member, cast.host)
            for query in FILTERS:
                asked = query.format(**objects, text="http_check")
                response = send("GET", f"{path}{'&' if '?' in path else '?'}{asked}")
                assert response.status_code in (200, 400, 403, 404, 503), (asked, response.content)
                assert text.encode() not in body_of(response), (asked, member)

    def test_error_pages_and_probes(self, objects: Any, cast: Any, other_cast: Any) -> None:
        text = canary(cast.tenant).encode()
        client = Client(raise_request_exception=False)
        for host in (cast.host, other_cast.host, "nowhere.localhost", "localhost", "api.localhost"):
            for path in (
                "/healthz",
                "/readyz",
                "/metrics",
                "/",
                "/api/scheduler/nothing",
                "/api/scheduler/jobs",
            ):
                for method in ("GET", "POST", "TRACE"):
                    response = client.generic(method, path, headers={"Host": host})
                    assert response.status_code < 500, (host, path)
                    assert text not in body_of(response), (host, path)
        for send, _ in closed_callers(cast, other_cast).values():
            assert text not in body_of(send("GET", f"jobs/{objects['job']}"))

    def test_an_error_page_says_nothing_of_the_error(self, objects: Any, cast: Any, settings: Any) -> None:
        settings.ROOT_URLCONF = "tests.isolation.failing_urls"
        client = Client(raise_request_exception=False, headers={"Host": cast.host})
        response = client.get("/api/scheduler/failing", {"said": canary(cast.tenant)})
        assert response.status_code == 500
        assert canary(cast.tenant).encode() not in body_of(response)


class TestTwoKeys:
    """Row security, and the tenant that every query names: each holds without the other."""

    def test_queries_name_their_tenant_even_where_row_security_is_out_of_the_way(
        self, objects: Any, cast: Any, other_cast: Any, monkeypatch: Any
    ) -> None:
        wrapper: Any = connection

        def enter_and_see_everything(tenant: Any) -> None:
            wrapper.set_scope(tenant, all_tenants=True)

        monkeypatch.setattr(context, "enter_tenant", enter_and_see_everything)
        foreign = canary(cast.tenant).encode()
        names = {**objects, "user": "1", "type": "any"}
        send = by_key(other_cast.alice, other_cast.host)
        for route in ROUTES:
            with undone():
                response = asked_as(send, route, names)
                said = body_of(response)
            assert foreign not in said, route
            assert str(number(cast.tenant)).encode() not in said, route
            assert response.status_code == route.elsewhere, route
        for query in ("user_id=" + cast.alice.user_id, "search=canary", f"job_id={objects['job']}"):
            for path in ("jobs", "execution-logs", "execution-logs.csv", "event-history", "dashboard"):
                said = body_of(send("GET", f"{path}?{query}"))
                assert foreign not in said.replace(cast.alice.user_id.encode(), b""), (path, query)

    def test_the_scope_above_did_see_everything(self, seeded: Any, acme: Any, bravo: Any) -> None:
        """Guards the test above: in that scope the rows of both tenants are there for a query that forgets."""
        wrapper: Any = connection
        wrapper.set_scope(bravo, all_tenants=True)
        assert {row[0] for row in rows("SELECT tenant_id FROM jobs_job")} == {acme.pk, bravo.pk}


class TestOnCall:
    """Those on call see tenants and what the machine does for them, but nothing that is told in confidence."""

    def test_no_page_of_the_admin_shows_what_is_confidential(
        self, objects: Any, cast: Any, browser: Client
    ) -> None:
        secret, text = confidential(cast.tenant).encode(), canary(cast.tenant).encode()
        never, seen = write_only(cast.tenant).encode(), b""
        for model in site._registry:
            listed = browser.get(page(model), {"all": ""})
            assert listed.status_code == 200, model
            pages = [listed] + [
                browser.get(page(model, "change", row.pk)) for row in listed.context["cl"].result_list
            ]
            for shown in pages:
                assert shown.status_code == 200, model
                said = body_of(shown)
                assert secret not in said, model
                assert never not in said, model
                seen += said
            # The page repeats what was searched for; it must find nothing by it.
            by_secret = browser.get(page(model), {"q": confidential(cast.tenant)})
            assert list(by_secret.context["cl"].result_list) == [], model
        assert text in seen
        for path in _plain_pages():
            assert secret not in body_of(browser.get(path)), path


class TestLogLines:
    def test_a_worker_logs_no_payload_no_output_and_no_credential(
        self, live_db: str, acme: Any, tmp_path: Path, session: Any
    ) -> None:
        """A real worker, at its most talkative, with work that succeeds, fails and cannot be delivered."""
        secret = confidential(acme)
        job = job_of(acme)
        for target, params in (
            ("tests.echo", {"said": secret}),
            ("tests.raise", {"words": secret}),
            ("tests.give_up", {"words": secret}),
            ("tests.plain", {"said": secret}),
            ("http_request", {"url": f"http://127.0.0.1:1/{secret}", "headers": {"x": secret}}),
            ("http_request", {"url": f"not a url {secret}"}),
        ):
            put(session, acme, execution(acme, target, job_id=job), params=params)
        with workers(live_db, tmp_path) as start:
            worker = start("talkative", "--drain", LOG_LEVEL="DEBUG")
            assert worker.wait(60) == 0
            said = worker.said()
        assert secret not in said


def _plain_pages() -> list[str]:
    """The operators' pages that need no id."""
    patterns = get_resolver("scheduler_saas.urls_public").url_patterns
    found = []
    for resolver in patterns:
        for pattern in getattr(resolver, "url_patterns", []):
            text = str(pattern.pattern)
            if not hasattr(pattern, "url_patterns") and "<" not in text and "logout" not in text:
                found.append("/admin/" + text)
    assert len(found) > 3
    return found
