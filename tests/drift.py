"""Jobs whose cursors have drifted, made past the services that would not let them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from apps.jobs.models import Cursor, Job
from apps.operations.services import reconcile

MINUTE = timedelta(minutes=1)
# Repair does not ask what time it is, so a test may go on into the next minute.
START = datetime.now(UTC).replace(second=0, microsecond=0)


def minutely(tenant: Any, *, made: timedelta = timedelta(hours=1), **cursor: Any) -> Job:
    """A job that is due every minute, made some time ago, with such a cursor; `cursor=False`: with none."""
    job = Job.objects.create(
        tenant=tenant,
        name="every minute",
        target="tests.noop",
        task_type="tests.noop",
        trigger_type="cron",
        cron_expression="* * * * *",
        created_at=START - made,
        schedule_since=START - made,
    )
    if cursor.pop("cursor", True):
        Cursor.objects.create(job=job, tenant=tenant, **cursor)
    return job


def run(**kwargs: Any) -> Any:
    kwargs = {
        "kinds": ["cursors"],
        "tenant": None,
        "dry_run": False,
        "reason": "tests",
        "actor": "tests",
        **kwargs,
    }
    return reconcile(**kwargs)


def stands(job: Job) -> tuple[datetime | None, datetime | None]:
    cursor = Cursor.objects.get(job=job)
    return cursor.next_run_at, cursor.paused_from


def with_columns(job: Job, **columns: Any) -> Job:
    Job.objects.filter(pk=job.pk).update(**columns)
    return job
