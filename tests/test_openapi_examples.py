"""The examples of `docs/openapi.yaml`: everywhere, true to the schemas and to the contract, and bodies that work."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.conf import settings
from jsonschema import Draft202012Validator, FormatChecker

from apps.jobs.payloads import next_runs_payload
from apps.jobs.recurrence.rules import CronRule
from apps.jobs.recurrence.wording import describe
from apps.tenants.context import all_tenants_scope
from apps.tenants.models import Plan
from tests.contract import records, schemas
from tests.contract.asking import asked, undone
from tests.contract.client import MemberClient
from tests.contract.deeds import DEEDS
from tests.contract.description import shape_of, strict
from tests.contract.endpoints import READS, Endpoint

pytestmark = pytest.mark.same_on_every_postgres

DOCUMENT: dict[str, Any] = yaml.safe_load((Path(settings.BASE_DIR) / "docs" / "openapi.yaml").read_text())
MORNING = datetime(2026, 11, 25, 8, 15, tzinfo=UTC)  # on which the story plays
FORMATS = FormatChecker(formats=())


@FORMATS.checks("date-time", raises=ValueError)
def _is_instant(value: object) -> bool:
    return not isinstance(value, str) or datetime.fromisoformat(value).utcoffset() is not None


def _operations(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {
        operation["operationId"]: operation | {"path": path}
        for path, operations in document["paths"].items()
        for operation in operations.values()
    }


def _media(operation: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each content of an operation, by "body" or the status of the answer."""
    contents = {"body": operation["requestBody"]["content"]} if "requestBody" in operation else {}
    contents |= {code: answer["content"] for code, answer in operation["responses"].items()}
    for where, content in contents.items():
        assert content, (operation["operationId"], where)
        for media in content.values():
            yield where, media


def _examples(media: dict[str, Any]) -> list[Any]:
    named = [example["value"] for example in media.get("examples", {}).values()]
    return [*named, *([media["example"]] if "example" in media else [])]


def complaints(document: dict[str, Any]) -> list[str]:
    """What is wrong with the examples of a document: none there, or not what the operation's schema says."""
    components, wrong = strict(document["components"]), []
    for name, operation in _operations(document).items():
        for where, media in _media(operation):
            examples = _examples(media)
            if not examples:
                wrong.append(f"{name} {where}: no example")
            schema = {**media["schema"], "components": components}
            validator = Draft202012Validator(schema, format_checker=FORMATS)
            wrong += [
                f"{name} {where}: {error.json_path}: {error.message[:200]}"
                for example in examples
                for error in validator.iter_errors(example)
            ]
    return wrong


OPERATIONS = _operations(DOCUMENT)


def test_every_body_and_every_answer_has_an_example_of_its_schema() -> None:
    assert len(OPERATIONS) > 45
    assert complaints(DOCUMENT) == []


@pytest.mark.parametrize("where", ["body", "201", "409"])
def test_an_operation_without_an_example_is_found(where: str) -> None:
    document = copy.deepcopy(DOCUMENT)
    found = [media for place, media in _media(_operations(document)["jobs_create"]) if place == where]
    for media in found:
        del media["example"]
    assert complaints(document) == [f"jobs_create {where}: no example"]


def test_an_example_that_is_not_of_the_schema_is_found() -> None:
    document = copy.deepcopy(DOCUMENT)
    media = dict(_media(_operations(document)["jobs_read"]))["200"]
    del media["example"]["status"]
    media["example"] |= {"more": 1, "created_at": "yesterday"}
    wrong = complaints(document)
    assert len(wrong) == 3
    assert all(line.startswith("jobs_read 200: $") for line in wrong)


@pytest.mark.parametrize("name", OPERATIONS)
def test_refusals_are_sentences_and_name_the_fields(name: str) -> None:
    for code, media in _media(OPERATIONS[name]):
        if not code.startswith("4"):
            continue
        for example in _examples(media):
            assert example["detail"].strip(), code
            assert bool(example.get("errors")) == (code == "400"), code
            for field, sentences in example.get("errors", {}).items():
                prefix = "" if field == "non_field_errors" else f"{field}: "
                assert example["detail"] == prefix + sentences[0]


def _operation_of(endpoint: Endpoint) -> dict[str, Any]:
    [found] = [
        operations[endpoint.method.lower()]
        for path, operations in DOCUMENT["paths"].items()
        if shape_of(path) == shape_of(endpoint.path)
    ]
    assert isinstance(found, dict)
    return found


@pytest.mark.parametrize("endpoint", [*READS, *DEEDS], ids=str)
def test_answers_have_what_the_contract_asks_for(endpoint: Endpoint) -> None:
    """By the schemas written from the contract, not from the code."""
    media = dict(_media(_operation_of(endpoint)))[str(endpoint.status)]
    for example in _examples(media):
        assert schemas.violations(endpoint.schema, example) == []


@pytest.mark.django_db
def test_bodies_are_accepted(cast: Any) -> None:
    """Whoever copies one gets no 400. The ids are those of objects that there are, and the days lie in the past."""
    client, ids = MemberClient(cast.alice), records.small(cast.alice)
    bodies = [
        (endpoint, example)
        for endpoint in DEEDS
        for where, media in _media(_operation_of(endpoint))
        if where == "body"
        for example in _examples(media)
    ]
    assert len(bodies) > 20
    for endpoint, example in bodies:
        with undone():
            past = json.loads(json.dumps(example).replace("2026-11-", "2020-11-"))
            response = client.send(endpoint.method, endpoint.at(ids), past)
        assert 200 <= response.status_code < 300, (endpoint, response.content)


@pytest.mark.parametrize(
    ("name", "expression"), [("jobs_next_runs", "30 2 * * *"), ("jobs_preview", "30 2 28 * *")]
)
def test_times_to_come_are_those_of_the_schedule(name: str, expression: str) -> None:
    [answer] = _examples(dict(_media(OPERATIONS[name]))["200"])
    rule = CronRule(expression, answer["timezone"])
    runs = next_runs_payload(rule, answer["timezone"], MORNING, len(answer["next_runs"]))
    instants = ("run_time", "run_at")
    told = [
        {**run, **{name: datetime.fromisoformat(run[name]) for name in instants}}
        for run in answer["next_runs"]
    ]
    assert told == runs
    assert answer["frequency"] == describe(rule)


@pytest.mark.parametrize("name", OPERATIONS)
def test_refusals_that_pass_say_when_to_come_again(name: str) -> None:
    assert "Retry-After" in OPERATIONS[name]["responses"]["429"]["headers"]


@pytest.mark.django_db
def test_headers_are_those_that_are_described(cast: Any, settings: Any) -> None:
    """All but the one that only a repetition gets."""
    settings.LEADER_TRUST_WINDOW = 3600  # all of this takes a while
    with all_tenants_scope():
        Plan.objects.filter(pk=cast.tenant.plan_id).update(requests_per_minute=600)
    client, ids = MemberClient(cast.alice), records.small(cast.alice)
    known = set(DOCUMENT["components"]["headers"])
    for endpoint in (*READS, *DEEDS):
        with undone():
            response = asked(client, endpoint, ids)
        described = _operation_of(endpoint)["responses"][str(response.status_code)]["headers"]
        assert {header["$ref"].rpartition("/")[2] for header in described.values()} == set(described) <= known
        sent = {name for name in known if name in response}
        assert sent == set(described) - {"Idempotency-Replayed"}, endpoint
        assert ("Idempotency-Replayed" in described) == (endpoint.method == "POST"), endpoint
