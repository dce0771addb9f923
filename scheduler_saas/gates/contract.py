"""Gate 1: the API is what `docs/openapi.yaml` says, in its description and in what it answers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import yaml
from django.conf import settings
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.renderers import OpenApiYamlRenderer
from jsonschema import Draft202012Validator

from apps.operations.gates.probing import busiest_tenants
from apps.operations.gates.report import Check
from scheduler_saas.gates.asking import BASE, Asker, asker_of

TENANTS = 3
COMMITTED = settings.BASE_DIR / "docs" / "openapi.yaml"
REGENERATE = "python manage.py spectacular --urlconf scheduler_saas.urls_tenant --file docs/openapi.yaml"
# What dashboards in the field read.
PAYLOADS = ("dashboard", "execution-logs", "recent-scheduler-logs", "event-history", "jobs", "status")


def contract_checks() -> Iterator[Check]:
    committed = COMMITTED.read_text(encoding="utf-8")
    same = _generated() == committed
    yield Check(
        "the description is the committed one",
        same,
        "What the code describes is docs/openapi.yaml."
        if same
        else f"What the code describes is not docs/openapi.yaml. Undo the change, or describe it: `{REGENERATE}`.",
    )
    described = yaml.load(committed, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506 - a safe one
    asked: list[str] = []
    wrong: list[str] = []
    for asker in filter(None, map(asker_of, busiest_tenants(TENANTS))):
        asked.append(str(asker.tenant.schema_name))
        wrong += [
            f"{path} of {asker.tenant.schema_name}: {problem}"
            for path in PAYLOADS
            if (problem := _violation(described, asker, path))
        ]
    evidence = f"{', '.join(PAYLOADS)}: keys and types are those of the contract, for {', '.join(asked)}."
    if not asked:
        evidence = "No active tenant has a host and a member, so nobody can be asked for."
    elif wrong:
        evidence = f"{wrong[0]}{f' {len(wrong) - 1} more payloads are wrong.' if len(wrong) > 1 else ''}"
    yield Check("payloads keep their keys and types", bool(asked) and not wrong, evidence)


def _generated() -> str:
    generator: Any = SchemaGenerator(urlconf=settings.ROOT_URLCONF)  # type: ignore[no-untyped-call]
    renderer: Any = OpenApiYamlRenderer()
    rendered: bytes = renderer.render(generator.get_schema(request=None, public=True), renderer_context={})
    return rendered.decode()


def _violation(described: dict[str, Any], asker: Asker, path: str) -> str:
    """Where the answer is not of its schema, and how; "" where it is. Keys may be added."""
    status, body = asker.get(path)
    if status != 200:
        return f"it is answered {status}."
    answer = described["paths"][BASE + path]["get"]["responses"]["200"]
    schema = answer["content"]["application/json"]["schema"]
    validator = Draft202012Validator({**schema, "components": described["components"]})
    error = next(iter(validator.iter_errors(json.loads(body))), None)
    return f"{error.json_path}: {error.message[:200]}" if error else ""
