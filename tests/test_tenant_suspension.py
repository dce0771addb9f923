"""A suspended tenant's jobs stop: what is due is skipped with the reason, and what waits stays until it is resumed."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

import pytest

from apps.executions import queue
from apps.executions.models import Execution, ExecutionLog
from apps.tenants import oncall
from apps.tenants.context import all_tenants_scope
from apps.tenants.services import NotAsItIs
from tests.replicas import ROOT
from tests.workers import Session, execution, job_of, put

SAID = {"reason": "unpaid", "actor": "tests"}


def claimed(session: Session) -> set[int]:
    with session.cursor() as cursor:
        found = queue.claim(worker="w", limit=50, lease_seconds=60.0).on(cursor)
    return {row.tenant_id for row in found}


@pytest.mark.parametrize("most", [0, 2])
def test_what_waits_is_not_begun_whatever_the_plan_allows(
    live_db: str, session: Session, acme: Any, bravo: Any, plan: Any, most: int
) -> None:
    with all_tenants_scope():
        type(plan).objects.filter(pk=plan.pk).update(max_concurrency=most)
    try:
        for tenant in (acme, bravo):
            put(session, tenant, execution(tenant, job_id=job_of(tenant)))
        oncall.tenant_suspend(tenant=acme, **SAID)
        assert claimed(session) == {bravo.pk}
        assert claimed(session) == set()
        oncall.tenant_resume(tenant=acme, **SAID)
        assert claimed(session) == {acme.pk}
    finally:
        with all_tenants_scope():
            type(plan).objects.filter(pk=plan.pk).update(max_concurrency=0)


def test_one_that_is_to_be_deleted_is_suspended_too(live_db: str, session: Session, acme: Any) -> None:
    put(session, acme, execution(acme, job_id=job_of(acme)))
    oncall.tenant_suspend(tenant=acme, **SAID)
    oncall.tenant_deletion_request(tenant=acme, short_name="acme", **SAID)
    assert claimed(session) == set()
    with pytest.raises(NotAsItIs):
        oncall.tenant_suspend(tenant=acme, **SAID)
    oncall.tenant_deletion_cancel(tenant=acme, **SAID)
    oncall.tenant_resume(tenant=acme, **SAID)
    assert claimed(session) == {acme.pk}


def test_a_drain_ends_though_a_suspended_tenants_work_waits(
    live_db: str, session: Session, acme: Any, bravo: Any
) -> None:
    for tenant in (acme, bravo):
        put(session, tenant, execution(tenant, job_id=job_of(tenant)))
    oncall.tenant_suspend(tenant=acme, **SAID)
    drained = subprocess.run(
        [sys.executable, "manage.py", "run_worker", "--drain"],
        cwd=ROOT,
        env={**os.environ, "DATABASE_URL": live_db, "DJANGO_SETTINGS_MODULE": "scheduler_saas.settings.test"},
        timeout=30,
        check=False,
        capture_output=True,
    )
    assert drained.returncode == 0, drained.stderr
    with all_tenants_scope():
        assert list(Execution.objects.values_list("tenant_id", "state")) == [(acme.pk, "pending")]
        assert list(ExecutionLog.objects.values_list("tenant_id", flat=True)) == [bravo.pk]
