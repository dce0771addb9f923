"""Matrix B: what one tenant or member is given, another cannot use: cursors, versions, keys of requests, exports."""

from __future__ import annotations

import csv
import io
from typing import Any

import pytest
from django.test import Client

from tests.contract import records
from tests.contract.endpoints import LISTS, Endpoint
from tests.isolation.callers import API_HOST, body_of, by_key, sender
from tests.isolation.routes.route import JOB
from tests.isolation.seeds import canary

_ORDERINGS = ("id", "-id", "name", "-name", "created_at", "-updated_at", "next_run_time", "-next_run_time")


class TestCursors:
    @pytest.mark.parametrize("endpoint", LISTS, ids=str)
    def test_a_cursor_is_no_way_into_another_tenant_or_member(
        self, objects: Any, cast: Any, other_cast: Any, endpoint: Endpoint
    ) -> None:
        records.large(cast.alice, 3)
        query = "&".join(f"{key}={value}" for key, value in endpoint.query.items())
        first = by_key(cast.alice, cast.host)("GET", f"{endpoint.path}?{query}&limit=1").json()
        cursor = first["next_cursor"]
        assert cursor
        for thief in (other_cast.alice, cast.bob, cast.vic):
            host = f"{thief.tenant.schema_name}.localhost"
            send = by_key(thief, host)
            own = send("GET", f"{endpoint.path}?{query}&limit=500").json()[endpoint.key]
            response = send("GET", f"{endpoint.path}?{query}&limit=500&cursor={cursor}")
            assert response.status_code in (200, 400)
            rows = response.json().get(endpoint.key, [])
            assert {row["id"] for row in rows} <= {row["id"] for row in own}
            assert canary(cast.tenant).encode() not in body_of(response)

    def test_a_cursor_of_another_list_or_order_is_refused(self, objects: Any, cast: Any) -> None:
        records.large(cast.alice, 3)
        send = by_key(cast.alice, cast.host)
        paths = {endpoint.name: endpoint for endpoint in LISTS}
        cursors = {}
        for name, endpoint in paths.items():
            query = "&".join(f"{key}={value}" for key, value in endpoint.query.items())
            cursors[name] = send("GET", f"{endpoint.path}?{query}&limit=1").json()["next_cursor"]
        for name, endpoint in paths.items():
            query = "&".join(f"{key}={value}" for key, value in endpoint.query.items())
            for other, cursor in cursors.items():
                # What runs and what ran are lists of their own; filters of one list are not.
                expected = 200 if other == name else 400
                response = send("GET", f"{endpoint.path}?{query}&cursor={cursor}")
                assert response.status_code == expected, (name, other)
        assert send("GET", f"jobs?ordering=name&cursor={cursors['jobs']}").status_code == 400

    @pytest.mark.parametrize("place", [0, 5, -3, -1])
    def test_a_cursor_that_was_changed_is_refused(self, objects: Any, cast: Any, place: int) -> None:
        send = by_key(cast.alice, cast.host)
        for _ in range(2):
            assert send("POST", "jobs", JOB).status_code == 201
        cursor = send("GET", "jobs?limit=1").json()["next_cursor"]
        letter = "B" if cursor[place] == "A" else "A"
        at = place % len(cursor)
        changed = cursor[:at] + letter + cursor[at + 1 :]
        assert send("GET", f"jobs?cursor={changed}").status_code == 400


class TestOrderAndSearch:
    def test_no_order_shows_another_tenants_or_members_jobs(
        self, objects: Any, cast: Any, other_cast: Any
    ) -> None:
        mine = {by_key(cast.bob, cast.host)("POST", "jobs", JOB).json()["id"]}
        for ordering in _ORDERINGS:
            for query in ("", "&search=made", "&search=canary", "&status=active", "&task_type=http_check"):
                page = by_key(cast.bob, cast.host)("GET", f"jobs?ordering={ordering}{query}").json()
                assert {row["id"] for row in page["jobs"]} <= mine
                assert page["total_count"] == page["total_jobs"] <= 1
                theirs = by_key(other_cast.alice, other_cast.host)("GET", f"jobs?ordering={ordering}{query}")
                assert str(objects["job"]) not in {row["id"] for row in theirs.json()["jobs"]}
                assert theirs.json()["total_count"] <= 1


class TestIdempotencyKeys:
    def test_the_same_key_in_two_tenants_and_of_two_members_is_two_keys(
        self, objects: Any, cast: Any, other_cast: Any
    ) -> None:
        made = []
        for member in (cast.alice, cast.bob, cast.ann, other_cast.alice):
            send = by_key(member, f"{member.tenant.schema_name}.localhost")
            first = send("POST", "jobs", JOB, **{"Idempotency-Key": "the same"})
            again = send("POST", "jobs", JOB, **{"Idempotency-Key": "the same"})
            assert (first.status_code, again.status_code) == (201, 201)
            assert "Idempotency-Replayed" not in first
            assert again["Idempotency-Replayed"] == "true"
            assert first.json() == again.json()
            made.append(first.json()["id"])
        assert len(set(made)) == 4

    def test_another_members_key_is_not_found_out(self, objects: Any, cast: Any, other_cast: Any) -> None:
        """A different body under a key that somebody else has used must not be told so (422)."""
        named = {"Idempotency-Key": "the same"}
        assert by_key(cast.alice, cast.host)("POST", "jobs", JOB, **named).status_code == 201
        for member in (cast.bob, other_cast.alice):
            send = by_key(member, f"{member.tenant.schema_name}.localhost")
            assert send("POST", "jobs", {**JOB, "name": "another"}, **named).status_code == 201

    def test_a_viewer_gets_no_answer_by_a_key(self, objects: Any, cast: Any) -> None:
        named = {"Idempotency-Key": "the same"}
        assert by_key(cast.alice, cast.host)("POST", "jobs", JOB, **named).status_code == 201
        assert by_key(cast.vic, cast.host)("POST", "jobs", JOB, **named).status_code == 403


class TestBulk:
    def test_a_retry_of_many_takes_nobody_elses(self, objects: Any, cast: Any, other_cast: Any) -> None:
        """By id and by filter; another tenant's execution is as unknown as none."""
        mine, unknown = objects["log"], 987_654_321
        for member in (other_cast.alice, cast.bob):
            send = by_key(member, f"{member.tenant.schema_name}.localhost")
            for body in ({"execution_ids": [mine, unknown]}, {"status": "failed", "job_id": objects["job"]}):
                response = send("POST", "executions/bulk-retry", body)
                assert response.status_code == 202, response.content
                assert response.json()["retried"] == []
                assert canary(cast.tenant).encode() not in body_of(response)
            foreign, none = send("POST", "executions/bulk-retry", {"execution_ids": [mine, unknown]}).json()[
                "refused"
            ]
            if member is other_cast.alice:
                assert foreign["detail"] == none["detail"]
        body = {"status": "failed", "user_id": cast.alice.user_id}
        assert by_key(cast.bob, cast.host)("POST", "executions/bulk-retry", body).status_code == 403
        done = by_key(cast.alice, cast.host)("POST", "executions/bulk-retry", {"execution_ids": [mine]})
        assert [item["retry_of"] for item in done.json()["retried"]] == [mine]


class TestVersions:
    def test_a_version_of_another_tenants_job_opens_nothing(
        self, objects: Any, cast: Any, other_cast: Any
    ) -> None:
        """Neither the right nor a wrong version changes what a stranger is told."""
        path = f"jobs/{objects['job']}"
        version = by_key(cast.alice, cast.host)("GET", path)["ETag"]
        for member, status in ((other_cast.alice, 404), (cast.bob, 403)):
            send = by_key(member, f"{member.tenant.schema_name}.localhost")
            for expected in (version, '"999"', "*"):
                for method, body in (("PATCH", {"name": "x"}), ("PUT", JOB), ("DELETE", None)):
                    response = send(method, path, body, **{"If-Match": expected})
                    assert response.status_code == status, (method, expected)

    def test_a_lost_race_is_told_to_the_owner_alone(self, objects: Any, cast: Any) -> None:
        path, send = f"jobs/{objects['job']}", by_key(cast.alice, cast.host)
        version = send("GET", path)["ETag"]
        assert send("PATCH", path, {"name": "first"}, **{"If-Match": version}).status_code == 200
        assert send("PATCH", path, {"name": "second"}, **{"If-Match": version}).status_code == 412
        assert send("GET", path).json()["name"] == "first"


class TestExports:
    def test_a_csv_holds_what_the_member_may_see(self, objects: Any, cast: Any, other_cast: Any) -> None:
        def ids_of(member: Any, query: str = "") -> set[str]:
            send = by_key(member, f"{member.tenant.schema_name}.localhost")
            response = send("GET", f"execution-logs.csv{query}")
            assert response.status_code == 200
            text = b"".join(response.streaming_content).decode()
            return {row["id"] for row in csv.DictReader(io.StringIO(text))}

        mine = str(objects["log"])
        assert mine in ids_of(cast.alice)
        assert mine in ids_of(cast.ann)
        assert ids_of(cast.bob) == ids_of(cast.vic) == set()
        assert mine not in ids_of(other_cast.alice)
        for query in (f"?user_id={cast.alice.user_id}", f"?job_id={objects['job']}"):
            assert mine in ids_of(cast.alice, query)
            assert ids_of(other_cast.alice, query) == set()
        assert (
            by_key(cast.bob, cast.host)("GET", f"execution-logs.csv?user_id={cast.alice.user_id}").status_code
            == 403
        )


class TestHosts:
    def test_on_the_api_host_the_key_names_the_tenant(self, objects: Any, cast: Any, other_cast: Any) -> None:
        mine, theirs = by_key(cast.alice, API_HOST), by_key(other_cast.alice, API_HOST)
        path = f"jobs/{objects['job']}"
        assert mine("GET", path).status_code == 200
        assert theirs("GET", path).status_code == 404
        assert sender(API_HOST)("GET", path).status_code == 401

    def test_the_admin_is_not_on_a_tenants_host(self, objects: Any, cast: Any, browser: Client) -> None:
        on_call = browser.cookies
        for client in (Client(), Client(cookies=on_call)):
            for host in (cast.host, API_HOST, "nowhere.localhost"):
                for path in (
                    "/admin/",
                    "/admin/login/",
                    "/admin/jobs/job/",
                    f"/admin/jobs/job/{objects['job']}/change/",
                ):
                    response = client.get(path, headers={"host": host})
                    assert response.status_code in (401, 404), (host, path)
                    assert canary(cast.tenant).encode() not in body_of(response)

    def test_the_tenants_api_is_not_on_the_operators_host(
        self, objects: Any, cast: Any, browser: Client
    ) -> None:
        for send in (
            by_key(cast.alice, "localhost"),
            sender("localhost"),
            sender("localhost", account=cast.alice.account),
        ):
            for path in ("jobs", f"jobs/{objects['job']}", "execution-logs", "schema"):
                response = send("GET", path)
                assert response.status_code == 404
                assert canary(cast.tenant).encode() not in body_of(response)
        assert browser.get("/api/scheduler/jobs").status_code == 404

    def test_a_member_who_signs_in_is_no_operator(self, objects: Any, cast: Any) -> None:
        client = Client(headers={"Host": "localhost"})
        client.force_login(cast.alice.account, backend="django.contrib.auth.backends.ModelBackend")
        for path in ("/admin/", "/admin/jobs/job/", "/admin/reconcile/"):
            response = client.get(path)
            assert response.status_code == 302
            assert response["Location"].startswith("/admin/login/")

    @pytest.mark.parametrize("host", ["acme.localhost:80", "ACME.localhost", "acme.localhost."])
    def test_a_host_by_its_other_spellings(self, objects: Any, cast: Any, other_cast: Any, host: str) -> None:
        """Whatever these answer, another tenant's key opens nothing by them."""
        assert by_key(other_cast.alice, host)("GET", "jobs").status_code in (400, 403, 404)
        assert by_key(cast.alice, host)("GET", "jobs").status_code in (200, 400, 404)

    @pytest.mark.parametrize("header", ["X-Forwarded-Host", "X-Host", "Forwarded", "X-Original-Host"])
    def test_no_other_header_names_the_host(
        self, objects: Any, cast: Any, other_cast: Any, header: str
    ) -> None:
        value = f"host={cast.host}" if header == "Forwarded" else cast.host
        response = by_key(other_cast.alice, other_cast.host)("GET", "jobs", **{header: value})
        assert response.status_code == 200
        assert canary(cast.tenant).encode() not in body_of(response)
