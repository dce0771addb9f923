"""The registry of Python functions: what may be registered, found, allowed and passed."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from rest_framework import serializers

from apps.executions.targets import registry
from apps.executions.targets.context import ExecutionContext, Resources, TargetFailed, TargetResult
from apps.executions.targets.http import HttpClient
from apps.executions.targets.outcome import storable
from apps.executions.targets.processes import ProcessRunner
from apps.executions.targets.runner import run_target
from apps.executions.targets.ssrf import AddressPolicy
from tests.unit.targets import loaded

pytestmark = pytest.mark.same_on_every_postgres

MOMENT = datetime(2026, 3, 29, 1, 30, tzinfo=UTC)
CONTEXT = ExecutionContext(42, "acme", 1, "nightly", 1, 9, MOMENT, MOMENT, 30.0)


class GreetingParams(serializers.Serializer[Any]):
    name = serializers.CharField(max_length=10)
    times = serializers.IntegerField(default=1, min_value=1)


@pytest.fixture(autouse=True)
def own_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each test registers into a copy."""
    registry.autodiscover()
    monkeypatch.setattr(registry, "_tasks", dict(registry._tasks))


def plain(params: dict[str, Any], context: ExecutionContext) -> str:
    return "done"


def test_a_plain_function_is_known_by_its_path_and_returned_unchanged() -> None:
    assert registry.task("test.plain", title="Plain", category="test")(plain) is plain
    definition = registry.get("test.plain")
    assert (definition.is_async, definition.title, definition.category) == (False, "Plain", "test")
    assert definition.path == f"{__name__}:plain"
    assert "test.plain" in registry.registered_names()


def test_autodiscovery_brings_the_built_in_tasks() -> None:
    assert {"http_request", "http_check"} <= set(registry.registered_names())
    assert registry.get("http_request").is_async


def test_an_unknown_name_is_refused_and_nothing_is_imported_for_it() -> None:
    for name in ("nope", "os.system", "os:system", "", "http_request "):
        with pytest.raises(registry.UnknownTask):
            registry.get(name)


def test_a_name_is_given_once() -> None:
    registry.task("test.plain")(plain)
    with pytest.raises(registry.DuplicateTaskError, match="registered already"):
        registry.task("test.plain")(plain)


@pytest.mark.parametrize("name", ["", "Upper", "with space", "1st", "a" * 101, "a/b", "ä"])
def test_bad_names_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match="no task name"):
        registry.task(name)(plain)


def test_a_local_plain_function_is_refused_because_no_process_could_import_it() -> None:
    def local(params: dict[str, Any], context: ExecutionContext) -> None: ...

    with pytest.raises(ValueError, match="could not import"):
        registry.task("test.local")(local)


def test_allow_lists() -> None:
    registry.task("test.private")(plain)
    for empty in (None, [], ()):
        assert registry.is_allowed("http_request", empty)
        assert not registry.is_allowed("test.private", empty)
    assert registry.is_allowed("test.private", ["test.private"])
    assert registry.is_allowed("test.private", ["*"])
    assert not registry.is_allowed("http_request", ["test.private"])
    assert not registry.is_allowed("unregistered", ["*", "unregistered"])


def test_parameters_are_validated_by_the_declared_serializer() -> None:
    registry.task("test.greet", params=GreetingParams)(plain)
    assert registry.validate_params("test.greet", {"name": "Ada"}) == {"name": "Ada", "times": 1}
    for params, field in (
        ({}, "name"),
        ({"name": "x" * 11}, "name"),
        ({"name": "Ada", "times": 0}, "times"),
        ({"name": "Ada", "tmies": 2}, "tmies"),
        ("text", "params"),
        ([1], "params"),
        (None, "params"),
    ):
        with pytest.raises(serializers.ValidationError) as refusal:
            registry.validate_params("test.greet", params)
        assert isinstance(refusal.value.detail, dict)
        assert field in refusal.value.detail
    registry.task("test.any")(plain)
    assert registry.validate_params("test.any", {"x": [1]}) == {"x": [1]}


@pytest.mark.parametrize(
    ("name", "params", "field"),
    [
        ("http_request", {"url": "http://127.0.0.1/"}, "url"),
        ("http_request", {"url": "ftp://example.com/"}, "url"),
        ("http_request", {"headers": {"Webhook-Signature": "v1,x"}}, "headers"),
        ("http_request", {"headers": {"X": "a\r\nY: b"}}, "headers"),
        ("http_request", {"headers": {"Host": "other"}}, "headers"),
        ("http_request", {"body": "x", "json": {}}, "json"),
        ("http_request", {"method": "TRACE"}, "method"),
        ("http_request", {"expected_status": []}, "expected_status"),
        ("http_request", {"expected_status": [99]}, "expected_status"),
        ("http_check", {}, "url"),
        ("http_check", {"url": "http://example.com/", "min_tls_days": 5}, "min_tls_days"),
    ],
)
def test_built_in_parameters_are_checked_when_a_job_is_saved(
    name: str, params: dict[str, Any], field: str, settings: Any
) -> None:
    settings.EGRESS_ALLOWED_NETWORKS = []
    with pytest.raises(serializers.ValidationError) as refusal:
        registry.validate_params(name, params)
    assert isinstance(refusal.value.detail, dict)
    assert field in refusal.value.detail


def run(name: str, params: Any, timeout: float = 5.0) -> TargetResult:
    async def scenario() -> TargetResult:
        processes = ProcessRunner(max_workers=1)
        async with HttpClient(AddressPolicy()) as client:
            try:
                return loaded(await run_target(name, params, CONTEXT, Resources(client), processes, timeout))
            finally:
                await processes.close()

    return asyncio.run(scenario())


def test_an_async_target_runs_in_the_loop_with_its_parameters() -> None:
    @registry.task("test.async", params=GreetingParams)
    async def greet(
        params: dict[str, Any], context: ExecutionContext, resources: Resources
    ) -> dict[str, Any]:
        return {"said": params["name"] * params["times"], "to": context.tenant}

    assert run("test.async", {"name": "Ada"}) == TargetResult("ok", {"said": "Ada", "to": "acme"})


def test_a_timeout_cancels_an_async_target() -> None:
    cancelled = []

    @registry.task("test.slow")
    async def slow(params: dict[str, Any], context: ExecutionContext, resources: Resources) -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.append(context.execution_id)
            raise

    result = run("test.slow", {}, timeout=0.05)
    assert (result.status, result.error, result.permanent) == ("failed", "timed out after 0.05 s", False)
    assert cancelled == [42]


def test_a_targets_own_timeout_error_is_not_taken_for_ours() -> None:
    @registry.task("test.inner")
    async def inner(params: dict[str, Any], context: ExecutionContext, resources: Resources) -> None:
        raise TimeoutError("a lock")

    assert run("test.inner", {}).error == "the task raised TimeoutError"


def test_failures_keep_the_tenants_words_out_of_the_error_line() -> None:
    @registry.task("test.raises")
    async def raises(params: dict[str, Any], context: ExecutionContext, resources: Resources) -> None:
        raise ValueError(f"bad password {params['password']}")

    result = run("test.raises", {"password": "hunter2"})
    assert (result.status, result.error) == ("failed", "the task raised ValueError")
    assert "bad password hunter2" in result.detail


def test_a_target_may_say_how_to_go_on() -> None:
    @registry.task("test.fails")
    async def fails(params: dict[str, Any], context: ExecutionContext, resources: Resources) -> None:
        raise TargetFailed("quota used up", permanent=True, retry_after=60, result={"left": 0})

    assert run("test.fails", {}) == TargetResult(
        "failed", {"left": 0}, "quota used up", "", 60, permanent=True
    )


def test_unknown_tasks_and_bad_parameters_fail_for_good() -> None:
    registry.task("test.greet", params=GreetingParams)(plain)
    assert run("nope", {}).permanent
    bad = run("test.greet", {"name": "x" * 11})
    assert (bad.permanent, bad.error) == (True, "the task does not accept these parameters")
    assert "name" in bad.detail


@pytest.mark.parametrize(
    ("value", "stored"),
    [
        (None, None),
        ({"when": MOMENT}, {"when": "2026-03-29T01:30:00Z"}),
        ({"nul\0": ["a\0b"]}, {"nul\ufffd": ["a\ufffdb"]}),
        ("\ud800", "?"),
        (float("nan"), {"not_json": "nan"}),
        ({1}, {"not_json": "{1}"}),
    ],
)
def test_results_are_made_storable(value: Any, stored: Any) -> None:
    @registry.task("test.value")
    async def give(params: dict[str, Any], context: ExecutionContext, resources: Resources) -> Any:
        return value

    assert run("test.value", {}) == TargetResult("ok", stored)


@pytest.mark.parametrize("levels", [101, 480, 900, 5000])
def test_a_result_nested_too_deeply_is_stored_as_what_it_is_not(levels: int) -> None:
    assert json.loads(storable(_nested(100)) or "") == _nested(100)
    assert list(json.loads(storable(_nested(levels)) or "")) == ["not_json"]


def _nested(levels: int) -> Any:
    value: Any = []
    for _ in range(levels - 1):
        value = [value]
    return value


def test_a_huge_result_is_cut() -> None:
    @registry.task("test.huge")
    async def huge(params: dict[str, Any], context: ExecutionContext, resources: Resources) -> Any:
        return ["x" * 1000] * 1000

    assert len(run("test.huge", {}).result["truncated"]) < 64 * 1024
