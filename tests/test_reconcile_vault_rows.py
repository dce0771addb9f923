"""The vault and the jobs, kept together: what nobody can run goes, what is lost stops its job and is said."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from apps.executions.models import Execution
from apps.jobs import services as jobs
from apps.jobs.models import Job
from apps.operations.reconcilers.vault_rows import PAUSED, spans
from apps.tenants.context import all_tenants_scope, tenant_scope
from apps.tenants.models import AuditEntry
from apps.vault.models import Connection, JobContent
from apps.vault.services import content_put
from tests.drift import run
from tests.factories import make_job

KIND = "vault_rows"

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def everyone() -> Iterator[None]:
    with all_tenants_scope():
        yield


def contents(tenant: Any) -> list[tuple[int, int]]:
    with tenant_scope(tenant):
        return list(JobContent.objects.order_by("job_id", "version").values_list("job_id", "version"))


def edited(tenant: Any, times: int) -> Job:
    job: Job = make_job(tenant, target="tests.noop", payload={"n": 0})
    for n in range(times):
        job = jobs.job_update(tenant=tenant, job_id=job.id, changes={"payload": {"n": n + 1}}, actor="tests")
    return job


def test_versions_that_nothing_names_go_and_those_of_live_executions_stay(acme: Any) -> None:
    job = edited(acme, 4)
    Execution.objects.create(
        tenant=acme, job_id=job.id, job_name=job.name, kind="manual", scheduled_for=datetime.now(UTC),
        run_at=datetime.now(UTC), task_type="tests.noop", target="tests.noop", content_version=3,
        timeout_seconds=1, max_attempts=1, retry_delay_seconds=1, retry_max_delay_seconds=1,
    )  # fmt: skip
    dry = run(kinds=[KIND], dry_run=True)
    assert [(item.drift.problem, item.drift.object_type, item.drift.found) for item in dry.items] == [
        ("superseded", "job", {"unused_versions": "1-2, 4"})
    ]
    assert len(contents(acme)) == 5
    done = run(kinds=[KIND], actor="olga")
    assert [item.result for item in done.items] == ["repaired"]
    assert contents(acme) == [(job.id, 3), (job.id, 5)]
    entry = AuditEntry.objects.get(action=f"reconcile.{KIND}")
    assert (entry.actor, entry.object_id, entry.data["found"]) == (
        "olga", str(job.id), {"unused_versions": "1-2, 4"}
    )  # fmt: skip
    assert run(kinds=[KIND]).items == ()
    Execution.objects.all().delete()
    assert run(kinds=[KIND]).counts["repaired"] == 1
    assert contents(acme) == [(job.id, 5)]


def test_contents_of_deleted_and_unknown_jobs_go_in_every_tenant(acme: Any, bravo: Any) -> None:
    kept, deleted, theirs = make_job(acme), make_job(acme), make_job(bravo)
    jobs.job_delete(tenant=acme, job_id=deleted.id, actor="tests")
    with tenant_scope(bravo):
        content_put(job_id=kept.id, version=1, content={})  # another tenant's job is no job of this one
        content_put(job_id=10**9, version=7, content={})
    done = run(kinds=[KIND])
    assert {
        (report.drift.tenant_id, report.drift.object_type, report.drift.object_id, report.drift.problem)
        for report in done.items
    } == {
        (acme.pk, "job", deleted.id, "orphaned"),
        (bravo.pk, "content", kept.id, "orphaned"),
        (bravo.pk, "content", 10**9, "orphaned"),
    }
    assert (contents(acme), contents(bravo)) == ([(kept.id, 1)], [(theirs.id, 1)])
    assert AuditEntry.objects.filter(action=f"reconcile.{KIND}").count() == 3


def test_a_job_whose_content_is_lost_fails_with_a_sentence_and_is_paused(acme: Any) -> None:
    job = make_job(acme, target="tests.noop", payload={"n": 1})
    with tenant_scope(acme):
        JobContent.objects.all().delete()
    assert [item.drift.problem for item in run(kinds=[KIND], dry_run=True).items] == ["lost"]
    [item] = run(kinds=[KIND]).items
    assert (item.result, "cannot be made again" in item.detail) == ("failed", True)
    job.refresh_from_db()
    assert (job.switch, job.pause_reason) == ("paused", PAUSED)
    assert AuditEntry.objects.get(action=f"reconcile.{KIND}").data["result"] == "failed"
    assert AuditEntry.objects.get(action="reconcile.run").data["failures"] == 1
    assert run(kinds=[KIND]).items == (), "while it is paused there is nothing more to do"
    jobs.job_update(tenant=acme, job_id=job.id, changes={"payload": {"n": 2}}, actor="tests")
    jobs.job_resume(tenant=acme, job_id=job.id, actor="tests")
    assert run(kinds=[KIND]).items == ()


def test_one_that_cannot_be_paused_says_so_and_takes_no_other_back(acme: Any) -> None:
    job, other = make_job(acme, name="stays"), edited(acme, 1)
    with tenant_scope(acme):
        JobContent.objects.filter(job_id=job.id).delete()
        job.cursor.delete()
    done = run(kinds=[KIND])
    assert {item.drift.object_id: item.result for item in done.items} == {
        job.id: "failed",
        other.id: "repaired",
    }
    assert "It could not be paused" in done.items[0].detail


def test_connections_and_contents_in_use_are_no_drift(acme: Any) -> None:
    make_job(acme)
    with tenant_scope(acme):
        Connection.objects.create(user_id="somebody who left", platform="gsc")
    assert run(kinds=[KIND], dry_run=True).items == ()


def test_a_repair_of_one_kind_only_looks_at_the_named_jobs(acme: Any) -> None:
    one, two = edited(acme, 1), edited(acme, 1)
    assert [item.drift.object_id for item in run(kinds=[KIND], object_ids=[two.id]).items] == [two.id]
    assert (one.id, 1) in contents(acme)


@pytest.mark.parametrize(
    ("versions", "text"), [([1], "1"), ([1, 2, 3], "1-3"), ([1, 3], "1, 3"), ([2, 3, 9], "2-3, 9")]
)
def test_numbers_in_few_words(versions: list[int], text: str) -> None:
    assert spans(versions) == text
