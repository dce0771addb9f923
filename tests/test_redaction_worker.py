"""A real worker stores nothing of what the plan, or the house, says must not be kept."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from apps.executions.models import ExecutionOutput
from apps.tenants.context import all_tenants_scope, tenant_scope
from tests.workers import Session, WorkerProcess, execution, job_of, put


def test_results_and_errors_are_redacted_before_they_are_stored(
    live_db: str, session: Session, acme: Any, plan: Any, start: Callable[..., WorkerProcess]
) -> None:
    said = {"said": {"Authorization": "Bearer hunter2", "PIN": "hunter2", "left": "alone"}}
    with all_tenants_scope():
        type(plan).objects.filter(pk=plan.pk).update(redact=["pin"])
    try:
        job = job_of(acme)
        put(session, acme, execution(acme, "tests.echo", job_id=job), params=said)
        put(session, acme, execution(acme, "tests.raise", job_id=job), params={"words": "pin=hunter2"})
        assert start("redacting", "--drain").wait(60) == 0
    finally:
        with all_tenants_scope():
            type(plan).objects.filter(pk=plan.pk).update(redact=[])
    with tenant_scope(acme):
        outputs = list(ExecutionOutput.objects.order_by("execution_id"))
    assert len(outputs) == 2
    stored = f"{outputs[0].result} {outputs[1].error_text}"
    assert "hunter2" not in stored
    assert "alone" in stored
    assert "pin=[redacted]" in stored
