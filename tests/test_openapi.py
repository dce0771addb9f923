"""`docs/openapi.yaml` is what the code says, and responses are what it says: no key more, none less."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from django.conf import settings
from django.core.management import call_command
from jsonschema import Draft202012Validator

from tests.contract import records
from tests.contract.asking import asked
from tests.contract.client import MemberClient
from tests.contract.deeds import DEEDS
from tests.contract.description import shape_of, strict
from tests.contract.endpoints import READS, Endpoint
from tests.plugins.worlds import World

pytestmark = pytest.mark.same_on_every_postgres

COMMITTED = Path(settings.BASE_DIR) / "docs" / "openapi.yaml"
REGENERATE = (
    "python manage.py spectacular --urlconf scheduler_saas.urls_tenant --file docs/openapi.yaml"
    " --validate --fail-on-warn"
)


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load(COMMITTED.read_text())
    return loaded


def test_the_committed_description_is_that_of_the_code(tmp_path: Path) -> None:
    generated = tmp_path / "openapi.yaml"
    call_command(
        "spectacular",
        urlconf="scheduler_saas.urls_tenant",
        file=str(generated),
        validate=True,
        fail_on_warn=True,
    )
    assert generated.read_text() == COMMITTED.read_text(), f"Regenerate it: {REGENERATE}"


@pytest.mark.django_db
def test_the_served_description_is_the_committed_one(cast: Any, document: dict[str, Any]) -> None:
    response = MemberClient(cast.vic).get("schema")
    assert response.status_code == 200
    assert yaml.safe_load(response.content) == document


def test_every_route_and_method_is_described(document: dict[str, Any]) -> None:
    described = {
        (shape_of(path), method.upper())
        for path, operations in document["paths"].items()
        for method in operations
        if method != "parameters"
    }
    asked = {(shape_of(endpoint.path), endpoint.method) for endpoint in (*READS, *DEEDS)}
    unshaped = {("execution-logs.csv", "GET")}
    assert described == asked | unshaped


def test_every_operation_says_who_may_call_and_what_refusals_look_like(document: dict[str, Any]) -> None:
    for path, operations in document["paths"].items():
        assert not path.endswith("/")
        for method, operation in operations.items():
            assert operation["security"] == [{"apiKey": []}, {"session": []}], (path, method)
            refusals = [operation["responses"][code] for code in ("401", "403", "429")]
            assert "Retry-After" in operation["responses"]["429"]["headers"]
            sent = {parameter["name"] for parameter in operation.get("parameters", [])}
            assert ("Idempotency-Key" in sent) is (method == "post"), (path, method)
            for refusal in refusals:
                schema = refusal["content"]["application/json"]["schema"]
                assert schema == {"$ref": "#/components/schemas/Error"}, (path, method)


class TestResponses:
    @pytest.mark.parametrize("endpoint", [*READS, *DEEDS], ids=str)
    @pytest.mark.parametrize("role", ["alice", "bob"])
    def test_they_are_what_is_described(
        self, world: World, document: dict[str, Any], endpoint: Endpoint, role: str
    ) -> None:
        response = asked(MemberClient(world.asker(role)), endpoint, world.ids(role))
        content = _responses(document, endpoint)[str(response.status_code)]["content"]
        schema = content["application/json"]["schema"]
        validator = Draft202012Validator({**schema, "components": strict(document["components"])})
        errors = validator.iter_errors(response.json())
        assert [f"{error.json_path}: {error.message[:200]}" for error in errors] == []


@pytest.mark.parametrize("endpoint", [*READS, *DEEDS], ids=str)
def test_refusals_are_described(document: dict[str, Any], endpoint: Endpoint) -> None:
    """What each kind of path and method may be answered, by the rules of the contract."""
    expected = {"401", "403", "429"}
    if any(f"{{{name}}}" in endpoint.path for name in records.NAMES):
        expected.add("404")
    if endpoint.key and endpoint.name != "recent":
        expected.add("400")
    if isinstance(endpoint.body, dict):
        expected |= {"400", "413", "415"}
    if endpoint.method == "POST":
        expected |= {"409", "422"}
    if endpoint.route == "job-detail" and endpoint.method != "GET":
        expected.add("412")
    assert expected <= set(_responses(document, endpoint))


def _responses(document: dict[str, Any], endpoint: Endpoint) -> dict[str, Any]:
    for path, operations in document["paths"].items():
        if shape_of(path) == shape_of(endpoint.path):
            responses: dict[str, Any] = operations[endpoint.method.lower()]["responses"]
            return responses
    raise AssertionError(f"{endpoint.path} is not described")
