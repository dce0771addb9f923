"""Two runs of reconcile that have both found the drift: one repairs it, the other finds it gone and says so."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from apps.executions.models import Attempt, Execution, ExecutionLog, TenantTotals
from apps.jobs import services as jobs
from apps.jobs.models import Cursor, Job
from apps.operations.reconcilers import RECONCILERS
from apps.operations.reconcilers.base import Drift, Repair, Scope
from apps.tenants.context import all_tenants_scope, tenant_scope
from apps.tenants.models import AuditEntry, UserIdentity
from apps.vault.models import JobContent
from tests.drift import minutely, run
from tests.factories import make_job
from tests.test_platform_reconcile import at_once, connect, monitoring
from tests.test_reconcile_stuck_executions import leased, live

State = Callable[[], Any]


class Together:
    """A reconciler whose runs have all found what they find before any of them repairs it."""

    def __init__(self, reconciler: Any, runs: int) -> None:
        self._reconciler, self._gate = reconciler, threading.Barrier(runs)
        self.kind, self.title, self.about = reconciler.kind, reconciler.title, reconciler.about

    def find(self, scope: Scope) -> Iterator[Drift]:
        found = list(self._reconciler.find(scope))
        self._gate.wait(20)
        yield from found

    def repair(self, drift: Drift) -> Repair:
        repair: Repair = self._reconciler.repair(drift)
        return repair


def cursors(tenant: Any) -> State:
    job = minutely(tenant, cursor=False)
    return lambda: Cursor.objects.filter(job=job).count()


def user_ids(tenant: Any) -> State:
    UserIdentity.objects.create(tenant=tenant, legacy_user_id=7, user_id="alice")
    job = minutely(tenant)
    Job.objects.filter(pk=job.pk).update(legacy_user_id=7)
    return lambda: Job.objects.filter(user_id="alice", legacy_user_id=7).count()


def cumulative_stats(tenant: Any) -> State:
    TenantTotals.objects.create(tenant=tenant, tasks_found=-1)
    return lambda: TenantTotals.objects.filter(tenant=tenant, tasks_found=0).count()


def platform_jobs(tenant: Any) -> State:
    connect(tenant, "bob")
    return lambda: len(monitoring(tenant))


def lost_lease(tenant: Any) -> State:
    leased(make_job(tenant, target="tests.noop", payload={}))
    return lambda: Execution.objects.filter(state="pending", lost=1).count() * Attempt.objects.count()


def unknown_target(tenant: Any) -> State:
    live(make_job(tenant, target="tests.noop", payload={}), target="gone.away")
    return lambda: ExecutionLog.objects.filter(status="failed").count()


def orphaned_content(tenant: Any) -> State:
    job = make_job(tenant)
    jobs.job_delete(tenant=tenant, job_id=job.id, actor="tests")
    return lambda: 1 - _contents(tenant)


def lost_content(tenant: Any) -> State:
    job = make_job(tenant)
    with tenant_scope(tenant):
        JobContent.objects.all().delete()
    return lambda: AuditEntry.objects.filter(action="job.pause", object_id=str(job.id)).count()


def _contents(tenant: Any) -> int:
    with tenant_scope(tenant):
        return JobContent.objects.count()


# What drifts, and what one of the two makes of it. A state is 1 once that is done.
DRIFTS: dict[str, tuple[str, Callable[[Any], State], str]] = {
    "cursors": ("cursors", cursors, "created"),
    "user ids": ("user_ids", user_ids, "repaired"),
    "totals": ("cumulative_stats", cumulative_stats, "repaired"),
    "platform jobs": ("platform_jobs", platform_jobs, "created"),
    "a lost lease": ("stuck_executions", lost_lease, "repaired"),
    "an execution to be ended": ("stuck_executions", unknown_target, "repaired"),
    "an orphaned content": ("vault_rows", orphaned_content, "repaired"),
    "a lost content": ("vault_rows", lost_content, "failed"),
}


def test_each_kind_is_here() -> None:
    assert {kind for kind, _, _ in DRIFTS.values()} == set(RECONCILERS)


@pytest.mark.parametrize("name", DRIFTS)
@pytest.mark.parametrize("everywhere", [False, True], ids=["a tenant's", "on-call's"])
def test_one_repairs_and_the_other_skips(
    name: str, everywhere: bool, live_db: str, acme: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    kind, make, result = DRIFTS[name]
    with all_tenants_scope():
        state = make(acme)
        assert state() == 0
    monkeypatch.setitem(RECONCILERS, kind, Together(RECONCILERS[kind], 2))
    reports = at_once([lambda: run(kinds=[kind], tenant=None if everywhere else acme)] * 2)
    assert sorted(item.result.value for report in reports for item in report.items) == sorted(
        [result, "skipped"]
    ), reports
    with all_tenants_scope():
        assert state() == 1
        assert AuditEntry.objects.filter(action=f"reconcile.{kind}").count() == 1
        runs = AuditEntry.objects.filter(action="reconcile.run")
        assert sorted(entry.data["skipped"] for entry in runs) == [0, 1]
        assert sum(entry.data[_counted(result)] for entry in runs) == 1


def _counted(result: str) -> str:
    return "failures" if result == "failed" else result
