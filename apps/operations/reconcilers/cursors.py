"""Cursors that are missing, or do not stand where their job's schedule and the ledger say."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from django.db.models import QuerySet

from apps.jobs.models import Cursor, Job
from apps.operations.reconcilers.base import CannotRepair, Drift, Repair, Result, Scope
from apps.operations.reconcilers.placement import SENTENCES, Misplaced, Place, examine
from apps.operations.statements import read_accounted
from apps.tenants.models import Tenant

BATCH = 1000  # jobs


class CursorReconciler:
    """Never moves a cursor back over a time that has an outcome."""

    kind = "cursors"
    title = "Cursors"
    about = (
        "cursors that are missing or do not stand where their job's schedule and the ledger say;"
        " they are put at the first time without an outcome"
    )

    def find(self, scope: Scope) -> Iterator[Drift]:
        jobs = Job.objects.order_by("id")
        if scope.tenant is not None:
            jobs = jobs.filter(tenant=scope.tenant)
        else:
            jobs = jobs.exclude(tenant__status=Tenant.Status.DELETING)
        if scope.object_ids is not None:
            jobs = jobs.filter(id__in=scope.object_ids)
        for job_ids in _batches(jobs):
            # The ledger first: a cursor that is dispatched in between is then ahead of it, which its own row explains.
            accounted = read_accounted(job_ids)
            for job in Job.objects.select_related("cursor").filter(id__in=job_ids).order_by("id"):
                cursor = getattr(job, "cursor", None)
                if job.id in accounted and (wrong := examine(job, cursor, accounted[job.id])):
                    yield self._drift(job, cursor, wrong)

    def repair(self, drift: Drift) -> Repair:
        """Locks the cursor before it reads the job, as the loop and the services do; without a cursor, the job."""
        jobs = Job.objects.filter(id=drift.object_id, tenant_id=drift.tenant_id)
        cursors = Cursor.objects.select_for_update().filter(job_id=drift.object_id, tenant_id=drift.tenant_id)
        cursor = cursors.first()
        if cursor is None:
            job = jobs.select_for_update().first()
            cursor = cursors.first()
        else:
            job = jobs.first()
        if job is None:
            return Repair(Result.SKIPPED, drift)
        wrong = examine(job, cursor, read_accounted([job.id])[job.id])
        if wrong is None:
            return Repair(Result.SKIPPED, drift)
        if wrong.place is None:
            raise CannotRepair(f"{SENTENCES[wrong.problem]} {wrong.detail}".strip())
        now = self._drift(job, cursor, wrong)
        columns = {"next_run_at": wrong.place.next_run_at, "paused_from": wrong.place.paused_from}
        if cursor is None:
            Cursor.objects.create(job=job, tenant_id=job.tenant_id, version=job.version, **columns)
            return Repair(Result.CREATED, now)
        Cursor.objects.filter(pk=cursor.pk).update(**columns)
        return Repair(Result.REPAIRED, now)

    def _drift(self, job: Job, cursor: Cursor | None, wrong: Misplaced) -> Drift:
        stands = None if cursor is None else Place(cursor.next_run_at, cursor.paused_from)
        return Drift(
            kind=self.kind,
            problem=wrong.problem,
            tenant_id=job.tenant_id,
            object_id=job.id,
            sentence=f"{SENTENCES[wrong.problem]} {wrong.detail}".strip(),
            label=job.name,
            found=_columns(stands),
            wanted=_columns(wrong.place),
        )


def _batches(jobs: QuerySet[Job]) -> Iterator[list[int]]:
    """By key, so that no cursor of the database stays open while a caller repairs."""
    last = 0
    while batch := list(jobs.filter(id__gt=last).values_list("id", flat=True)[:BATCH]):
        yield batch
        last = batch[-1]


def _columns(place: Place | None) -> dict[str, Any]:
    if place is None:
        return {}
    return {"next_run_at": _text(place.next_run_at), "paused_from": _text(place.paused_from)}


def _text(instant: datetime | None) -> str | None:
    return instant.isoformat() if instant is not None else None
