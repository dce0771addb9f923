"""What users have connected, and whether it is monitored. In the tenant's scope: the connections are in its vault."""

from __future__ import annotations

from typing import NamedTuple

from django.db.models import F, QuerySet

from apps.executions.models import ExecutionLog
from apps.executions.selectors import executions_finished
from apps.jobs.models import PLATFORM_CATEGORY, Job
from apps.jobs.platforms import registry
from apps.jobs.selectors import jobs_of
from apps.jobs.states import Switch
from apps.tenants.identity import canonical_ids, user_rows
from apps.tenants.models import Tenant
from apps.vault.connections import connections_of
from apps.vault.models import Connection

DISCONNECTED = "The platform was disconnected."  # why a job is paused that goes on when it is connected again


class Unmonitored(NamedTuple):
    """A connection whose job is missing (`job_id` None) or still paused from an earlier disconnection."""

    connection_id: int
    user_id: str
    platform: str
    job_id: int | None


def connected_platforms(tenant: Tenant, user_id: str) -> list[str]:
    """The names of the platforms that the user has connected, of those on offer."""
    found = set(connections_of(tenant.pk, user_id=user_id).values_list("platform", flat=True))
    return [name for name in registry.names() if name in found]


def monitoring_jobs(tenant: Tenant, user_id: str | None = None) -> QuerySet[Job]:
    """The monitoring jobs of a user or of everybody, as `jobs_of`; of two for one platform the newer form first."""
    jobs = jobs_of(tenant, user_id=user_id).filter(task_category=PLATFORM_CATEGORY)
    return jobs.order_by("platform", F("user_id").asc(nulls_last=True), "id")


def monitoring_logs(tenant: Tenant, user_id: str) -> QuerySet[ExecutionLog]:
    """The user's finished executions of monitoring jobs, also of those that were deleted since."""
    mine = user_rows(tenant.pk, user_id)
    jobs = Job.objects.filter(mine, tenant=tenant, task_category=PLATFORM_CATEGORY)
    # By user too: a job that was given to another user has a history of both.
    return executions_finished(tenant_id=tenant.pk).filter(mine, job_id__in=jobs.values("id"))


def awaits_reconnection(job: Job) -> bool:
    """Whether the job was paused by disconnecting, and not by somebody who had another reason."""
    return job.switch == Switch.PAUSED and job.pause_reason == DISCONNECTED


def unmonitored(tenant: Tenant, connection_ids: tuple[int, ...] | None = None) -> list[Unmonitored]:
    """Every connection, or those of these ids, whose job somebody has to see to. Four queries."""
    connections = Connection.objects.filter(platform__in=registry.names()).order_by("id")
    if connection_ids is not None:
        connections = connections.filter(pk__in=connection_ids)
    rows = list(connections.values_list("pk", "user_id", "legacy_user_id", "platform"))
    if not rows:
        return []
    # The last one wins, which is the newer form.
    jobs = list(
        Job.objects.filter(tenant=tenant, deleted_at=None, task_category=PLATFORM_CATEGORY).order_by(
            F("user_id").desc(nulls_first=True), "-id"
        )
    )
    users = canonical_ids(tenant.pk, [(job.user_id, job.legacy_user_id) for job in jobs])
    known = {(user, job.platform): job for user, job in zip(users, jobs, strict=True)}
    owners = canonical_ids(tenant.pk, [(text, number) for _, text, number, _ in rows])
    found = []
    for (pk, _, _, platform), owner in zip(rows, owners, strict=True):
        job = known.get((owner, platform))
        if owner is not None and (job is None or awaits_reconnection(job)):
            found.append(Unmonitored(pk, owner, platform, None if job is None else job.id))
    return found
