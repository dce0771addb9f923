"""Jobs with runs of every outcome, and ways to reach them on the dashboard's pages."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

from playwright.sync_api import Page, expect

from apps.executions.models import Delta, Execution, ExecutionLog, Skip
from apps.jobs.models import Job
from tests.dashboard_browser import Dashboard, Visit
from tests.factories import make_job

NIGHTLY = "Nightly invoices"


def job_of(dashboard: Dashboard, name: str = NIGHTLY, **fields: Any) -> Job:
    owner = f"alice-{dashboard.tenant.schema_name}"
    job: Job = make_job(
        dashboard.tenant,
        **{"name": name, "task_category": "billing", "user_id": owner, "target": "tests.noop", "payload": {}}
        | fields,
    )
    return job


def ran(job: Job, *, minutes_ago: int = 0, status: str | None = None, number: int = 0) -> None:
    """A run that ended with `status`, or that goes on."""
    at = datetime.now(UTC).replace(second=0, microsecond=0) - timedelta(minutes=minutes_ago)
    ran = {"tenant_id": job.tenant_id, "job_id": job.id, "job_name": job.name, "user_id": job.user_id}
    ran |= {
        "kind": "scheduled",
        "scheduled_for": at,
        "run_at": at,
        "task_type": job.task_type,
        "target": job.target,
    }
    if status is None:
        Execution.objects.create(
            **ran, state="leased", lease_token=uuid.uuid4(), worker="w1", content_version=1, timeout_seconds=60,
            max_attempts=1, retry_delay_seconds=1, retry_max_delay_seconds=1,
        )  # fmt: skip
        return
    said = "The bank answered 503." if status == "failed" else ""
    ExecutionLog.objects.create(
        **ran, id=job.id * 1000 + minutes_ago, status=status, error_message=said, attempts=1,
        execution_time_ms=1200, started_at=at, finished_at=at, created_at=at,
    )  # fmt: skip
    hour = at.replace(minute=0)
    Delta.objects.create(
        tenant_id=job.tenant_id, user_key=job.user_id or "", task_type=job.task_type, status=status, hour=hour, n=1
    )  # fmt: skip


def skipped(job: Job, *, minutes_ago: int) -> None:
    first = datetime.now(UTC).replace(second=0, microsecond=0) - timedelta(minutes=minutes_ago)
    Skip.objects.create(
        tenant_id=job.tenant_id, job_id=job.id, first=first, last=first + timedelta(minutes=5), count=2,
        reason="overlap",
    )  # fmt: skip


def row_of(page: Page, name: str) -> Any:
    return page.locator(".job-row").filter(has=page.get_by_role("link", name=name, exact=True))


def press(visit: Visit, what: str, name: str, key: str = "Enter") -> None:
    """By the keyboard: what has the focus is what the key is for."""
    button = visit.page.get_by_role(what, name=name, exact=True)  # type: ignore[arg-type]
    button.focus()
    expect(button).to_be_focused()
    visit.page.keyboard.press(key)
