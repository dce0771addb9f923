"""A row of every kind that the operators' admin shows, for a tenant, and the addresses of its pages."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from typing import Any

from axes.models import AccessAttempt
from django.db import models
from django.urls import reverse

from apps.executions.models import Attempt, Counter, Execution, ExecutionLog, Skip, TenantTotals
from apps.jobs.models import Job
from apps.leadership.models import LeaderTerm, RefusedWrite, SchedulerEvent
from apps.operations.models import BreakGlass
from apps.tenants.models import ApiKey, AuditEntry, Membership, Plan, Tenant, User, UserIdentity
from tests.factories import MembershipFactory, key_of, make_job

PUBLIC = "scheduler_saas.urls_public"
AT = datetime.now(UTC).replace(second=0, microsecond=0)


def rows_of(tenant: Any) -> dict[type[models.Model], Any]:
    """By model. Call it in the scope of all tenants, once a tenant."""
    name, at = tenant.schema_name, AT
    member = MembershipFactory(tenant=tenant, username=f"member-{name}", legacy_user_id=tenant.pk)
    job = make_job(tenant, name=f"job of {name}")
    ran = {
        "tenant": tenant,
        "job_id": job.id,
        "job_name": job.name,
        "kind": "scheduled",
        "scheduled_for": at,
        "run_at": at,
        "task_type": job.task_type,
        "target": job.target,
    }
    live = Execution.objects.create(
        **ran,
        state="leased",
        lease_token=uuid.uuid4(),
        worker="w1",
        content_version=1,
        timeout_seconds=60,
        max_attempts=1,
        retry_delay_seconds=1,
        retry_max_delay_seconds=1,
    )
    return {
        Tenant: tenant,
        Plan: tenant.plan,
        Membership: member,
        User: member.account,
        UserIdentity: UserIdentity.objects.get(tenant=tenant),
        ApiKey: key_of(member)[0],
        AuditEntry: AuditEntry.objects.filter(tenant=tenant).latest("id"),
        Job: job,
        Execution: live,
        ExecutionLog: ExecutionLog.objects.create(
            **{**ran, "kind": "manual"},
            id=live.id + 1_000_000,
            status="failed",
            error_message="The target timed out.",
            attempts=1,
            finished_at=at,
            created_at=at,
        ),
        Attempt: Attempt.objects.create(
            tenant=tenant,
            execution_id=live.id,
            scheduled_for=at,
            attempt=1,
            worker="w1",
            lease_token=uuid.uuid4(),
            finished_at=at,
            outcome="lost",
        ),
        Skip: Skip.objects.create(tenant=tenant, job_id=job.id, first=at, last=at, count=1, reason="overlap"),
        Counter: Counter.objects.create(
            tenant=tenant,
            user_key="",
            task_type=job.task_type,
            status="failed",
            hour=at.replace(minute=0),
            n=7,
        ),
        TenantTotals: TenantTotals.objects.create(tenant=tenant, tasks_found=7),
        SchedulerEvent: SchedulerEvent.objects.filter(tenant=tenant).latest("id"),
        LeaderTerm: LeaderTerm.objects.create(
            term_id=uuid.uuid4(),
            replica=f"replica-{name}",
            host="h",
            process_id=1,
            backend_pid=1,
            ended_at=at if name == "acme" else None,
        ),
        RefusedWrite: RefusedWrite.objects.create(
            actor="worker", name=f"worker-{name}", what="stale_lease", count=3
        ),
        AccessAttempt: AccessAttempt.objects.create(
            username=f"member-{name}",
            ip_address="192.0.2.1",
            failures_since_start=3,
            path_info="/admin/login/",
        ),
        BreakGlass: BreakGlass.objects.create(
            tenant=tenant,
            account=member.account,
            execution_id=live.id,
            reason="a ticket",
            until=at,
        ),
    }


def page(model: Any, name: str = "changelist", *args: Any) -> str:
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_{name}", PUBLIC, args=args)
