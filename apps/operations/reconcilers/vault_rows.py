"""Contents that are in a tenant's vault for nobody, and jobs whose content is not in it.

No foreign key crosses schemas, so nothing but this keeps the two sides together. Contents are in the tenants' vaults,
which the view of all tenants does not show: each is looked at from inside.

A connection of somebody who is no member any more is no drift: jobs and history stay under the user's id when a member
leaves, and so does what they run with; and a user needs no membership to have them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

from apps.jobs import services as jobs
from apps.jobs.models import Cursor
from apps.jobs.specs import JobNotFound, JobRefused
from apps.operations.reconcilers.base import CannotRepair, Drift, Repair, Result, Scope, tenants_in
from apps.operations.statements import Lost, Orphaned, read_lost_contents, read_orphaned_contents
from apps.tenants.context import tenant_scope
from apps.tenants.models import Tenant
from apps.vault.contents import contents_delete, contents_hold

BATCH = 1000  # jobs

ORPHANED = "orphaned"
SUPERSEDED = "superseded"
LOST = "lost"
SENTENCES = {
    ORPHANED: "The vault keeps the content of a job that is gone, and nothing will run with it.",
    SUPERSEDED: "The vault keeps contents that the job and its live executions do not name any more.",
    LOST: "The vault has not the content that the job names, so each of its runs fails.",
}
PAUSED = "Its content is lost: save its payload anew, then resume it."
CANNOT = f"The content cannot be made again. The job is paused; its reason says: {PAUSED}"


class VaultRowReconciler:
    """The ids of a scope, and those of its drifts, are those of jobs; of one that has no row, its content's."""

    kind = "vault_rows"
    title = "Vault rows"
    about = (
        "contents in the vault that no job and no live execution names any more, which are deleted, and jobs whose"
        " content is lost, which are paused with the reason and reported as failures"
    )

    def find(self, scope: Scope) -> Iterator[Drift]:
        for tenant in tenants_in(scope):
            # Read to the end in there: what a caller does with a drift is done in its own scope.
            with tenant_scope(tenant):
                lost = read_lost_contents(tenant.pk, scope.object_ids)
            yield from (self._lost(tenant, one) for one in lost)
            after = 0
            while orphaned := self._orphaned(tenant, scope.object_ids, after):
                after = orphaned[-1].job_id
                yield from (self._orphan(tenant, one) for one in orphaned)

    def repair(self, drift: Drift) -> Repair:
        """Holds the job's cursor, under which alone a job is edited, dispatched or triggered."""
        tenant = Tenant.objects.get(pk=drift.tenant_id)
        with tenant_scope(tenant):
            list(
                Cursor.objects.select_for_update()
                .filter(tenant=tenant, job_id=drift.object_id)
                .values_list("pk")
            )
            if drift.problem == LOST:
                return self._pause(tenant, drift)
            contents_hold(drift.object_id)
            still = read_orphaned_contents(tenant.pk, [drift.object_id])
            if not still:
                return Repair(Result.SKIPPED, drift)
            [one] = still
            contents_delete(one.job_id, one.versions)
            return Repair(Result.REPAIRED, self._orphan(tenant, one))

    def _pause(self, tenant: Tenant, drift: Drift) -> Repair:
        still = read_lost_contents(tenant.pk, [drift.object_id])
        if not still:
            return Repair(Result.SKIPPED, drift)
        [one] = still
        try:
            jobs.job_pause(tenant=tenant, job_id=one.job_id, reason=PAUSED, actor=f"reconcile {self.kind}")
        except (JobRefused, JobNotFound) as error:
            raise CannotRepair(f"{SENTENCES[LOST]} It could not be paused: {_why(error)}") from error
        return Repair(Result.FAILED, self._lost(tenant, one), CANNOT)

    def _orphaned(self, tenant: Tenant, job_ids: Sequence[int] | None, after: int) -> list[Orphaned]:
        with tenant_scope(tenant):
            return read_orphaned_contents(tenant.pk, job_ids, after=after, limit=BATCH)

    def _orphan(self, tenant: Tenant, one: Orphaned) -> Drift:
        problem = SUPERSEDED if one.is_kept else ORPHANED
        return Drift(
            kind=self.kind,
            problem=problem,
            tenant_id=tenant.pk,
            object_type="job" if one.is_known else "content",
            object_id=one.job_id,
            sentence=SENTENCES[problem],
            label=one.job_name or f"job {one.job_id}",
            found={"unused_versions": spans(one.versions)},
            wanted={"unused_versions": None},
        )

    def _lost(self, tenant: Tenant, one: Lost) -> Drift:
        return Drift(
            kind=self.kind,
            problem=LOST,
            tenant_id=tenant.pk,
            object_id=one.job_id,
            sentence=SENTENCES[LOST],
            label=one.job_name,
            found={"status": "active", "content_version": one.content_version},
            wanted={"status": "paused", "content_version": one.content_version, "pause_reason": PAUSED},
        )


def spans(versions: Sequence[int]) -> str:
    """Sorted numbers in few words: 1-3, 5."""
    starts = [versions[0], *(b for a, b in pairwise(versions) if b != a + 1)]
    ends = [*(a for a, b in pairwise(versions) if b != a + 1), versions[-1]]
    return ", ".join(
        str(first) if first == last else f"{first}-{last}" for first, last in zip(starts, ends, strict=True)
    )


def _why(error: JobRefused | JobNotFound) -> str:
    return " ".join(error.errors.values()) if isinstance(error, JobRefused) else "It was deleted just now."
