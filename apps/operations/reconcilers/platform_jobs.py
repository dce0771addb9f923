"""Connected platforms without the monitoring job that each of them must have.

Connections are in the tenants' vaults, which the view of all tenants does not show: each is looked at from inside.
"""

from __future__ import annotations

from collections.abc import Iterator

from apps.jobs.platforms import registry
from apps.jobs.platforms.selectors import Unmonitored, unmonitored
from apps.jobs.platforms.services import Ensured, job_ensure
from apps.jobs.specs import JobNotFound, JobRefused
from apps.operations.reconcilers.base import CannotRepair, Drift, Repair, Result, Scope
from apps.tenants.context import tenant_scope
from apps.tenants.models import Tenant

MISSING = "missing"
PAUSED = "still_paused"
SENTENCES = {
    MISSING: "The platform is connected, and no job monitors it.",
    PAUSED: "The platform is connected again, and its job is still paused.",
}
_RESULTS = {
    Ensured.CREATED: Result.CREATED,
    Ensured.RESUMED: Result.REPAIRED,
    Ensured.EXISTS: Result.SKIPPED,
    Ensured.MADE_MEANWHILE: Result.SKIPPED,
    Ensured.DISCONNECTED: Result.SKIPPED,
}


class PlatformJobReconciler:
    """The object of its drifts is the connection; the ids of a scope are those of connections, in each tenant."""

    kind = "platform_jobs"
    title = "Platform jobs"
    about = "connected platforms whose monitoring job is missing or still paused; it is made or resumed"

    def find(self, scope: Scope) -> Iterator[Drift]:
        active = Tenant.objects.filter(status=Tenant.Status.ACTIVE).order_by("pk")
        for tenant in [scope.tenant] if scope.tenant is not None else list(active):
            # Read to the end in there: what a caller does with a drift is done in its own scope.
            with tenant_scope(tenant):
                found = unmonitored(tenant, scope.object_ids)
            for one in found:
                yield self._drift(tenant, one)

    def repair(self, drift: Drift) -> Repair:
        tenant = Tenant.objects.get(pk=drift.tenant_id)
        with tenant_scope(tenant):
            # Again, and not from the drift: what it says of whom may have changed.
            still = unmonitored(tenant, (drift.object_id,))
            if not still:
                return Repair(Result.SKIPPED, drift)
            [one] = still
            try:
                did = job_ensure(
                    tenant=tenant, user_id=one.user_id, platform=one.platform, actor=f"reconcile {self.kind}"
                )
            except JobRefused as error:
                raise CannotRepair(" ".join(error.errors.values())) from error
            except JobNotFound as error:
                raise CannotRepair("Its job was deleted while this looked at it.") from error
        return Repair(_RESULTS[did], self._drift(tenant, one))

    def _drift(self, tenant: Tenant, one: Unmonitored) -> Drift:
        problem = MISSING if one.job_id is None else PAUSED
        found = {} if one.job_id is None else {"job": one.job_id, "status": "paused"}
        return Drift(
            kind=self.kind,
            problem=problem,
            tenant_id=tenant.pk,
            object_id=one.connection_id,
            sentence=SENTENCES[problem],
            label=f"{one.platform} of {one.user_id}",
            object_type="connection",
            found=found,
            wanted={"task_type": registry.get(one.platform).task_type, "status": "active"},
        )
