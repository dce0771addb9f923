"""Matrix A, errors: every refusal is a status of the contract with a sentence, and validation names the fields."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.test import Client

from apps.tenants.context import all_tenants_scope
from apps.tenants.models import Plan
from tests.contract import records, schemas
from tests.contract.asking import asked
from tests.contract.client import BASE, MemberClient
from tests.contract.deeds import DEEDS, JOB
from tests.contract.endpoints import LISTS, READS, Endpoint
from tests.factories import MembershipFactory
from tests.plugins.worlds import World

_OUT_OF_RANGE = [
    *({"limit": value} for value in ("0", "501", "-1", "x", "1.5", "")),
    *({"offset": value} for value in ("-1", "x", "9" * 30)),
    *({"cursor": value} for value in ("nonsense", "", "W10", "bnVsbA", "%00")),
]


def _names_an_object(endpoint: Endpoint) -> bool:
    return any(f"{{{name}}}" in endpoint.path for name in records.NAMES)


def refusal(response: Any, status: int, *, fields: bool = False) -> Any:
    """The body of a response that must be a refusal with `status`."""
    assert response.status_code == status, response.content
    assert response["Content-Type"] == "application/json"
    schema = schemas.FIELD_ERRORS if fields else schemas.ERROR
    assert schemas.violations(schema, response.json()) == []
    return response.json()


class TestStrangers:
    """Who gets in at all is the matter of `test_scheduler_tenant_isolation_matrix`; here is how it is said."""

    @pytest.mark.parametrize("endpoint", READS, ids=str)
    def test_nobody_and_strangers(self, world: World, endpoint: Endpoint) -> None:
        cast, other_cast, ids = world.cast, world.other_cast, world.ids()
        path, host = BASE + endpoint.at(ids), {"Host": cast.host}
        nobody = Client().get(path, headers=host)
        refusal(nobody, 401)
        assert nobody["WWW-Authenticate"].startswith("Bearer")
        unknown = {**host, "Authorization": "Bearer sched_live_nothing"}
        refusal(Client().get(path, headers=unknown), 401)
        refusal(MemberClient(other_cast.alice, host=cast.host).get(endpoint.at(ids)), 403)
        refusal(MemberClient(cast.alice, host="nowhere.localhost").get(endpoint.at(ids)), 404)
        assert asked(MemberClient(cast.alice, host="api.localhost"), endpoint, ids).status_code == 200


@pytest.mark.django_db
class TestRefusals:
    @pytest.mark.parametrize("endpoint", LISTS, ids=str)
    def test_lists_hold_what_the_member_may_see(self, cast: Any, other_cast: Any, endpoint: Endpoint) -> None:
        bob = MembershipFactory(tenant=cast.tenant, username="bob2", role="member")
        records.large(cast.alice, 2)
        records.large(bob, 1)

        def ids_of(client: MemberClient) -> set[Any]:
            return {row["id"] for row in client.ok(endpoint.path, **endpoint.query)[endpoint.key]}

        everything, own = ids_of(MemberClient(cast.ann)), ids_of(MemberClient(bob))
        assert own < everything
        assert ids_of(MemberClient(cast.ann)) == ids_of(MemberClient(cast.alice))
        assert ids_of(MemberClient(cast.vic)) == set()
        assert ids_of(MemberClient(other_cast.alice)) == set()

    @pytest.mark.parametrize("endpoint", [e for e in READS if e.key and e.name != "recent"], ids=str)
    def test_pages_out_of_range(self, cast: Any, endpoint: Endpoint) -> None:
        """In every list but the one that has a single page."""
        client, ids = MemberClient(cast.alice), {"user": cast.alice.user_id}
        for wrong in _OUT_OF_RANGE:
            answer = client.get(endpoint.at(ids), **{**endpoint.query, **wrong})
            assert set(refusal(answer, 400, fields=True)["errors"]) == set(wrong), wrong

    @pytest.mark.parametrize("path", ["nothing-here", "execution-logs/1/2", "jobs/1/nothing"])
    def test_paths_that_are_none(self, cast: Any, path: str) -> None:
        refusal(MemberClient(cast.alice).get(path), 404)

    @pytest.mark.parametrize("endpoint", [e for e in (*READS, *DEEDS) if _names_an_object(e)], ids=str)
    def test_ids_that_are_none(self, cast: Any, endpoint: Endpoint) -> None:
        client = MemberClient(cast.alice)
        for wrong in ("0", "-1", "x", "9" * 40, "%00", "1e3", "%F0%9F%98%80", "00", "%C2%B2"):
            ids = {"type": "http_check", **dict.fromkeys(records.NAMES, wrong)}
            refusal(client.send(endpoint.method, endpoint.at(ids), {}), 404)

    def test_an_error_that_nobody_foresaw(self, cast: Any, settings: Any) -> None:
        settings.ROOT_URLCONF = "tests.contract.writing_urls"
        response = MemberClient(cast.alice, raises=False).get("writing")
        refusal(response, 500)
        assert "read-only" not in response.content.decode()

    def test_a_body_that_is_not_valid(self, cast: Any) -> None:
        body = refusal(MemberClient(cast.alice).send("POST", "jobs", {"name": ""}), 400, fields=True)
        assert "name" in body["errors"]

    @pytest.mark.parametrize("body", [b"{", b"[1]", b'"x"', b"\xff", b"", b'{"name": NaN}', b"null"])
    def test_a_body_that_is_no_object(self, cast: Any, body: bytes) -> None:
        assert self._posted(cast, "jobs", body).status_code == 400
        refusal(self._posted(cast, "jobs", body), 400)

    def test_an_old_version(self, cast: Any) -> None:
        job = records.Records(cast.alice).job()
        refusal(self._posted(cast, f"jobs/{job.pk}/pause", b"{}", **{"If-Match": '"99"'}), 412)

    def test_a_body_that_is_too_large(self, cast: Any, settings: Any) -> None:
        body = json.dumps(JOB | {"name": "x" * settings.DATA_UPLOAD_MAX_MEMORY_SIZE}).encode()
        refusal(self._posted(cast, "jobs", body), 413)

    def test_a_body_that_is_not_json(self, cast: Any) -> None:
        refusal(self._posted(cast, "jobs", b"name=x", kind="application/x-www-form-urlencoded"), 415)

    def test_a_key_of_another_request(self, cast: Any) -> None:
        again = {"Idempotency-Key": "once"}
        assert self._posted(cast, "jobs", json.dumps(JOB).encode(), **again).status_code == 201
        refusal(self._posted(cast, "jobs", json.dumps(JOB | {"name": "other"}).encode(), **again), 422)

    def test_too_many_requests(self, cast: Any) -> None:
        with all_tenants_scope():
            Plan.objects.filter(pk=cast.tenant.plan_id).update(requests_per_minute=3)
        client = MemberClient(cast.alice)
        answers = [client.get("status") for _ in range(5)]
        assert [answer.status_code for answer in answers] == [200, 200, 200, 429, 429]
        assert [int(answer["RateLimit-Remaining"]) for answer in answers] == [2, 1, 0, 0, 0]
        assert {int(answer["RateLimit-Limit"]) for answer in answers} == {3}
        assert all(0 <= int(answer["RateLimit-Reset"]) <= 60 for answer in answers)
        refusal(answers[-1], 429)
        assert 1 <= int(answers[-1]["Retry-After"]) <= 60

    @staticmethod
    def _posted(cast: Any, path: str, body: bytes, kind: str = "application/json", **headers: str) -> Any:
        sent = {"Host": cast.host, "Authorization": f"Bearer {MemberClient(cast.alice).key}", **headers}
        return Client().generic("POST", BASE + path, body, content_type=kind, headers=sent)
