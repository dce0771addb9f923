"""Cumulative totals against history: what the loop counts is no drift; what is off is put right by the difference."""

from __future__ import annotations

import asyncio
import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from django.db.models import F
from django.test import Client
from django.test.utils import CaptureQueriesContext

from apps.executions.models import Delta, TenantTotals
from apps.jobs import services
from apps.jobs.specs import TriggerSpec
from apps.operations.statements import TOTALS, add_drift, hold_totals, read_totals
from apps.tenants.context import all_tenants_scope
from apps.tenants.models import AuditEntry
from tests.contract.client import MemberClient
from tests.contract.line import check, drain, make_due, work
from tests.drift import run
from tests.factories import key_of, make_job

PATH = "dashboard/cumulative-stats/reconcile"


def _once(tenant: Any, **fields: Any) -> Any:
    trigger = TriggerSpec.once(datetime.now(UTC) + timedelta(days=1))
    return make_job(tenant, trigger=trigger, target="tests.noop", payload={}, **fields)


def _stored(tenant: Any) -> dict[str, int]:
    with all_tenants_scope():
        return dict(TenantTotals.objects.filter(tenant=tenant).values(*TOTALS).get())


def _drift(tenant: Any) -> list[Any]:
    return [item.drift for item in run(kinds=["cumulative_stats"], tenant=tenant, dry_run=True).items]


def _history_of_every_kind(tenant: Any) -> None:
    jobs = [_once(tenant, overlap="allow") for _ in range(3)]
    for job in jobs:
        make_due(job)
    late = _once(tenant, misfire="skip")
    make_due(late, ago=timedelta(hours=1))
    services.job_trigger(tenant=tenant, job_id=jobs[0].id, actor="tests")
    work()
    paused = make_job(tenant)
    services.job_pause(tenant=tenant, job_id=paused.id, actor="tests")
    services.job_resume(tenant=tenant, job_id=paused.id, actor="tests")
    gone = _once(tenant)
    make_due(gone)
    check()
    services.job_delete(tenant=tenant, job_id=gone.id, actor="tests")


def test_what_the_loop_counts_is_no_drift(live_db: str, acme: Any) -> None:
    _history_of_every_kind(acme)
    assert _stored(acme) == {"tasks_found": 5, "tasks_executed": 4, "tasks_failed": 0, "tasks_skipped": 1}
    assert _drift(acme) == []


def test_what_is_finished_and_not_folded_is_no_drift(live_db: str, acme: Any) -> None:
    make_due(_once(acme))
    check()
    asyncio.run(drain())
    with all_tenants_scope():
        assert Delta.objects.count() == 1
    assert _drift(acme) == []


def test_totals_are_rebuilt_and_the_answer_says_from_what(
    live_db: str, acme: Any, bravo: Any, cast: Any
) -> None:
    _history_of_every_kind(acme)
    right = _stored(acme)
    with all_tenants_scope():
        TenantTotals.objects.filter(tenant=acme).update(tasks_executed=F("tasks_executed") + 7, tasks_found=0)
    client = MemberClient(cast.ann)
    dry = client.send("POST", PATH, {"dry_run": True}).json()
    assert dry["dry_run"] is True
    assert _stored(acme) != right
    done = client.send("POST", PATH).json()
    assert done["success"] is True
    assert done["stats"] == {f"cumulative_{name}": n for name, n in right.items()}
    assert done["before"]["cumulative_tasks_executed"] == right["tasks_executed"] + 7
    assert (done["drift"]["cumulative_tasks_executed"], done["drift"]["cumulative_tasks_found"]) == (7, -5)
    assert _stored(acme) == right
    assert client.ok("dashboard")["stats"]["cumulative_tasks_found"] == right["tasks_found"]
    again = client.send("POST", PATH).json()
    assert set(again["drift"].values()) == {0}
    with all_tenants_scope():
        entry = AuditEntry.objects.get(action="reconcile.cumulative_stats")
    assert (entry.tenant_id, entry.object_type, entry.object_id) == (acme.pk, "tenant", str(acme.pk))


def test_a_tenant_without_any_totals(live_db: str, cast: Any) -> None:
    done = MemberClient(cast.alice).send("POST", PATH).json()
    assert done["success"] is True
    assert set(done["stats"].values()) == {0}


def test_the_leader_folds_while_a_repair_is_under_way(live_db: str, acme: Any) -> None:
    """The repair holds no row that the leader needs, and adds its difference to whatever the leader has made of it."""
    make_due(_once(acme))
    work()
    make_due(_once(acme))
    check()
    asyncio.run(drain())  # finished, not folded
    with all_tenants_scope():
        TenantTotals.objects.filter(tenant=acme).update(tasks_executed=100)
        with transaction.atomic():
            hold_totals(acme.pk)
            found, wanted = read_totals(acme.pk)
            folding = threading.Thread(target=_check_and_close)
            folding.start()
            folding.join(20)
            assert not folding.is_alive()
            add_drift(acme.pk, {name: wanted[name] - found[name] for name in TOTALS})
    assert _stored(acme)["tasks_executed"] == 2
    assert _drift(acme) == []


def test_under_an_idempotency_key_no_history_is_read_once_the_totals_are_held(
    live_db: str, acme: Any, cast: Any
) -> None:
    """The deed is then one transaction, and whatever it does after its write keeps the leader waiting for the row."""
    with all_tenants_scope():
        TenantTotals.objects.create(tenant=acme, tasks_failed=50)
    headers = {
        "Authorization": f"Bearer {key_of(cast.ann)[1]}",
        "Host": cast.host,
        "Idempotency-Key": "once",
    }
    with CaptureQueriesContext(connection) as queries:
        response = Client().post(f"/api/scheduler/{PATH}", headers=headers, content_type="application/json")
    assert response.json()["drift"]["cumulative_tasks_failed"] == 50
    asked = [query["sql"] for query in queries]
    written = next(n for n, sql in enumerate(asked) if "INSERT INTO executions_tenanttotals" in sql)
    assert any("executions_executionlog" in sql for sql in asked[:written])
    assert not any("executions_executionlog" in sql for sql in asked[written:])


def test_two_repairs_at_once_repair_once(live_db: str, acme: Any) -> None:
    make_due(_once(acme))
    work()
    with all_tenants_scope():
        TenantTotals.objects.filter(tenant=acme).update(tasks_failed=50)
    start, counts = threading.Barrier(4), []

    def repair() -> None:
        try:
            start.wait(10)
            counts.append(run(kinds=["cumulative_stats"], tenant=acme).counts)
        finally:
            connection.close()

    threads = [threading.Thread(target=repair) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sum(each["repaired"] for each in counts) == 1
    assert sum(each["failures"] for each in counts) == 0
    assert _stored(acme)["tasks_failed"] == 0


def _check_and_close() -> None:
    try:
        check()
    finally:
        connection.close()


def test_rebuilding_is_for_admins(live_db: str, cast: Any) -> None:
    assert MemberClient(cast.bob).send("POST", PATH).status_code == 403


@pytest.mark.parametrize("body", [{"dry_run": "perhaps"}, {"dryrun": True}, {"reason": "x" * 501}, [1]])
def test_a_bad_body_is_refused(live_db: str, cast: Any, body: Any) -> None:
    response = MemberClient(cast.ann).send("POST", PATH, body)
    assert response.status_code == 400
    assert response.json()["errors"]
