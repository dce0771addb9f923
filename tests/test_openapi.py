"""`docs/openapi.yaml` is what the code says, and responses are what it says: no key more, none less."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.conf import settings
from django.core.management import call_command
from jsonschema import Draft202012Validator

from tests.contract import records
from tests.contract.client import BASE, MemberClient
from tests.contract.endpoints import ENDPOINTS, Endpoint
from tests.contract.routes import get_routes

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


def test_every_get_route_is_described(document: dict[str, Any]) -> None:
    described = {path for path, operations in document["paths"].items() if "get" in operations}
    patterns = {name for name in get_routes() if name != "schema"}
    assert len(described) == len(patterns)


def test_every_operation_says_who_may_call_and_what_refusals_look_like(document: dict[str, Any]) -> None:
    for path, operations in document["paths"].items():
        assert not path.endswith("/")
        for method, operation in operations.items():
            assert operation["security"] == [{"apiKey": []}, {"session": []}], (path, method)
            refusals = [operation["responses"][code] for code in ("401", "403")]
            for refusal in refusals:
                schema = refusal["content"]["application/json"]["schema"]
                assert schema == {"$ref": "#/components/schemas/ErrorShape"}, (path, method)


@pytest.mark.django_db
@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=str)
def test_responses_are_what_is_described(cast: Any, document: dict[str, Any], endpoint: Endpoint) -> None:
    ids = records.small(cast.alice)
    payload = MemberClient(cast.alice).ok(endpoint.at(ids), **endpoint.query)
    schema = _response_schema(document, endpoint)
    validator = Draft202012Validator({**schema, "components": _strict(document["components"])})
    assert [f"{error.json_path}: {error.message[:200]}" for error in validator.iter_errors(payload)] == []


def _response_schema(document: dict[str, Any], endpoint: Endpoint) -> dict[str, Any]:
    template = endpoint.path
    for name in ("job", "paused"):
        template = template.replace(f"{{{name}}}", "{job_id}")
    for name in ("success", "failed", "running", "pending"):
        template = template.replace(f"{{{name}}}", "{log_id}")
    operation = document["paths"][BASE + template]["get"]
    schema: dict[str, Any] = operation["responses"]["200"]["content"]["application/json"]["schema"]
    return schema


def _strict(components: dict[str, Any]) -> dict[str, Any]:
    """Keys that are not described are violations."""
    strict: dict[str, Any] = json.loads(json.dumps(components))
    for schema in strict["schemas"].values():
        if "properties" in schema:
            schema["additionalProperties"] = False
    return strict
