"""What reconcile could not do stays on record, so that a metric can count it: runs of people and of workers' chores."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import DatabaseError, connection

from apps.operations.gauges import read_gauges
from apps.tenants import machine
from apps.tenants.context import all_tenants_scope
from apps.tenants.models import AuditEntry
from apps.tenants.services import audit
from scheduler_saas import chores
from scheduler_saas.chores import PlatformChore
from tests.drift import minutely, run, with_columns
from tests.test_platform_reconcile import connect
from tests.test_worker_chores import broken_vault


def failures() -> int:
    with all_tenants_scope():
        return int(read_gauges()["scheduler_reconcile_failures_last_hour"])


@pytest.mark.django_db
def test_what_could_not_be_repaired_is_counted(acme: Any, bravo: Any) -> None:
    with all_tenants_scope():
        for tenant in (acme, bravo):
            with_columns(minutely(tenant, next_run_at=None), cron_expression="61 * * * *")
        assert failures() == 0
        run(dry_run=True)
        assert failures() == 0, "looking fails nobody"
        run()
        run(tenant=acme)
        assert failures() == 3


def test_a_run_that_breaks_is_one_failure(live_db: str, acme: Any, bravo: Any) -> None:
    with machine.connect(application_name="tests, beside") as session, broken_vault(session, acme):
        for tenant in (None, acme):
            with pytest.raises(DatabaseError):
                run(kinds=["platform_jobs"], tenant=tenant)
    with all_tenants_scope():
        entries = list(AuditEntry.objects.filter(action="reconcile.run").order_by("id"))
    assert [(entry.tenant_id, entry.data) for entry in entries] == [
        (None, {"failures": 1, "error": "ProgrammingError"}),
        (acme.pk, {"failures": 1, "error": "ProgrammingError"}),
    ]
    assert failures() == 2


class TestTheChore:
    def test_what_breaks_its_look_is_recorded_and_not_each_time(
        self, live_db: str, acme: Any, bravo: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        connect(bravo, "bea")
        chore = PlatformChore()
        with machine.connect(application_name="tests, beside") as session, broken_vault(session, acme):
            assert [chore.run_once()["failed_tenants"] for _ in range(3)] == [1, 1, 1]
            assert failures() == 1
            monkeypatch.setattr(chores, "TRIED_AGAIN_SECONDS", 0.0)
            PlatformChore().run_once()
        assert failures() == 2
        with all_tenants_scope():
            entry = AuditEntry.objects.filter(action="reconcile.run", tenant=acme).latest("id")
        assert (entry.actor, entry.object_id) == ("worker", "platform_jobs")

    def test_what_stays_hopeless_is_counted_again(
        self, live_db: str, acme: Any, plan: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        connect(acme, "bob")
        plans = type(plan).objects.filter(pk=plan.pk)
        with all_tenants_scope():
            plans.update(max_jobs=0)
        try:
            chore = PlatformChore()
            assert [chore.run_once().get("failures", 0) for _ in range(2)] == [1, 0]
            monkeypatch.setattr(chores, "TRIED_AGAIN_SECONDS", 0.0)
            chore = PlatformChore()
            assert [chore.run_once()["failures"] for _ in range(2)] == [1, 1]
        finally:
            with all_tenants_scope():
                plans.update(max_jobs=plan.max_jobs)
        assert failures() == 3


@pytest.mark.django_db
def test_the_count_reads_its_index(acme: Any) -> None:
    with all_tenants_scope():
        for n in range(300):
            audit(actor="tests", action="job.update", tenant=acme, object_type="job", object_id=n)
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE tenants_auditentry")
            cursor.execute(
                "EXPLAIN SELECT sum((data ->> 'failures')::integer) FROM tenants_auditentry"
                " WHERE action = 'reconcile.run' AND at >= now() - interval '1 hour'"
            )
            plan = "\n".join(line for (line,) in cursor.fetchall())
    assert "audit_of_repairs" in plan
