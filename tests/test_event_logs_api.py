"""event-logs/stats and cleanup-event-logs."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from apps.leadership.models import SchedulerEvent
from apps.operations.event_logs import event_logs_cleanup
from apps.tenants.context import all_tenants_scope, tenant_scope
from apps.tenants.models import AuditEntry
from tests.contract.client import MemberClient
from tests.factories import make_job

pytestmark = pytest.mark.django_db
NOW = datetime.now(UTC)


def _events(tenant: Any, days: list[int], **columns: Any) -> None:
    columns.setdefault("event_type", "job_completed")
    with all_tenants_scope():
        SchedulerEvent.objects.bulk_create(
            SchedulerEvent(tenant=tenant, event_date=NOW - timedelta(days=n), **columns) for n in days
        )


def test_an_empty_journal(cast: Any) -> None:
    stats = MemberClient(cast.alice).ok("event-logs/stats")
    assert stats["total_events"] == 0
    assert set(stats["events_by_type"]) == set(SchedulerEvent.Type.values)
    assert stats["date_range"] == {"oldest_event": None, "newest_event": None}


def test_members_count_their_own_and_admins_all(cast: Any, other_cast: Any) -> None:
    _events(cast.tenant, [1, 2], user_id=cast.bob.user_id)
    _events(cast.tenant, [3], user_id=cast.alice.user_id, event_type="job_failed")
    _events(cast.tenant, [50], event_type="check_cycle")
    _events(other_cast.tenant, [1, 99])
    own = MemberClient(cast.bob).ok("event-logs/stats")
    assert (own["total_events"], own["events_by_type"]["job_completed"]) == (2, 2)
    whole = MemberClient(cast.ann).ok("event-logs/stats")
    assert (whole["total_events"], whole["events_by_type"]["check_cycle"]) == (4, 1)
    assert whole["date_range"]["oldest_event"] == (NOW - timedelta(days=50)).isoformat().replace(
        "+00:00", "Z"
    )
    of_bob = MemberClient(cast.ann).ok("event-logs/stats", user_id=cast.bob.user_id)
    assert of_bob["total_events"] == 2
    assert MemberClient(cast.bob).get("event-logs/stats", user_id=cast.alice.user_id).status_code == 403


def test_a_dry_run_counts_and_a_real_one_deletes_what_it_counted(cast: Any, other_cast: Any) -> None:
    _events(cast.tenant, [5, 29, 31, 200])
    _events(other_cast.tenant, [400])
    client = MemberClient(cast.ann)
    dry = client.send("POST", "cleanup-event-logs?older_than_days=30&dry_run=true").json()
    assert (dry["would_delete_count"], dry["deleted_count"], dry["dry_run"]) == (2, 0, True)
    assert client.ok("event-logs/stats")["total_events"] == 4
    done = client.send("POST", "cleanup-event-logs?older_than_days=30").json()
    assert (done["deleted_count"], done["dry_run"]) == (2, False)
    assert done["oldest_kept_event"] == (NOW - timedelta(days=29)).isoformat().replace("+00:00", "Z")
    assert client.ok("event-logs/stats")["total_events"] == 2
    assert MemberClient(other_cast.alice).ok("event-logs/stats")["total_events"] == 1
    with tenant_scope(cast.tenant):
        entry = AuditEntry.objects.get(action="journal.cleanup")
    assert entry.data == {"deleted": 2, "older_than_days": 30}
    assert entry.actor.startswith(cast.ann.user_id)


def test_more_than_a_batch_is_deleted(cast: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("apps.operations.event_logs.BATCH", 3)
    _events(cast.tenant, list(range(10, 20)))
    done = event_logs_cleanup(tenant=cast.tenant, older_than_days=11, dry_run=False, actor="tests")
    assert done.deleted_count == 9
    assert done.oldest_kept_event is not None


@pytest.mark.parametrize(
    "query",
    ["older_than_days=0", "older_than_days=366", "older_than_days=x", "dry_run=perhaps", "dryrun=true"],
)
def test_bad_input_deletes_nothing(cast: Any, query: str) -> None:
    _events(cast.tenant, [300])
    client = MemberClient(cast.ann)
    response = client.send("POST", f"cleanup-event-logs?{query}")
    assert response.status_code == 400
    assert query.split("=")[0] in response.json()["errors"]
    assert client.ok("event-logs/stats")["total_events"] == 1


def test_cleaning_is_for_admins(cast: Any) -> None:
    assert MemberClient(cast.bob).send("POST", "cleanup-event-logs?dry_run=true").status_code == 403


def test_repair_needs_nothing_of_what_is_deleted(cast: Any) -> None:
    """When a schedule took effect is known without the journal: an edited job is no drift after a cleanup."""
    from apps.jobs import services
    from apps.jobs.models import Job
    from tests.drift import run

    job = make_job(cast.tenant)
    with all_tenants_scope():
        Job.objects.filter(pk=job.pk).update(created_at=NOW - timedelta(days=300))
    services.job_update(
        tenant=cast.tenant, job_id=job.id, changes={"cron_expression": "*/2 * * * *"}, actor="tests"
    )
    with all_tenants_scope():
        SchedulerEvent.objects.all().update(event_date=NOW - timedelta(days=299))
    event_logs_cleanup(tenant=cast.tenant, older_than_days=1, dry_run=False, actor="tests")
    assert run(dry_run=True, tenant=cast.tenant).items == ()


def test_what_belongs_in_the_query_string_is_not_ignored_in_the_body(cast: Any) -> None:
    _events(cast.tenant, [300])
    client = MemberClient(cast.ann)
    response = client.send("POST", "cleanup-event-logs", {"dry_run": True})
    assert (response.status_code, list(response.json()["errors"])) == (400, ["non_field_errors"])
    assert client.ok("event-logs/stats")["total_events"] == 1
