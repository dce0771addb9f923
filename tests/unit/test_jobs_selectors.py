"""The status of a job, and whose jobs a list holds."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from apps.jobs import services
from apps.jobs.models import Cursor, Job
from apps.jobs.selectors import job_counts, job_of, jobs_of
from apps.jobs.specs import JobSpec, TriggerSpec
from apps.tenants.context import tenant_scope
from apps.tenants.models import UserIdentity

pytestmark = pytest.mark.django_db
SOON, EARLIER = datetime.now(UTC) + timedelta(hours=1), datetime.now(UTC) - timedelta(hours=1)


@pytest.fixture(autouse=True)
def _inside(acme: Any) -> Iterator[None]:
    with tenant_scope(acme):
        yield


def make(tenant: Any, trigger: TriggerSpec | None = None, **fields: Any) -> Job:
    spec = JobSpec(name="report", trigger=trigger or TriggerSpec.cron("0 3 * * *"), **fields)
    return services.job_create(tenant=tenant, spec=spec, actor="alice")


@pytest.mark.parametrize(
    ("cursor", "status"),
    [
        ({}, "active"),
        ({"last_status": "success"}, "active"),
        ({"last_status": "failed"}, "failed"),
        ({"last_status": "failed", "cool_off_until": SOON}, "needs_intervention"),
        ({"last_status": "failed", "cool_off_until": EARLIER}, "failed"),
        ({"last_status": "failed", "consecutive_failures": 2}, "failed"),
        ({"last_status": "failed", "consecutive_failures": 3}, "needs_intervention"),
        ({"next_run_at": None, "quarantined_at": EARLIER}, "needs_intervention"),
        ({"next_run_at": None, "last_status": "success"}, "completed"),
        ({"next_run_at": None, "last_status": "failed"}, "failed"),
    ],
)
def test_status(acme: Any, cursor: dict[str, Any], status: str) -> None:
    job = make(acme)
    Cursor.objects.filter(job_id=job.id).update(**cursor)
    assert jobs_of(acme).get().status == status
    assert jobs_of(acme).filter(status=status).count() == 1


def test_a_manual_job_is_active_without_a_next_run(acme: Any) -> None:
    make(acme, TriggerSpec.manual())
    assert jobs_of(acme).get().status == "active"


def test_a_pause_outranks_all_but_deletion(acme: Any) -> None:
    job = make(acme)
    Cursor.objects.filter(job_id=job.id).update(last_status="failed", cool_off_until=SOON)
    services.job_pause(tenant=acme, job_id=job.id, actor="alice")
    assert jobs_of(acme).get().status == "paused"
    services.job_delete(tenant=acme, job_id=job.id, actor="alice")
    assert not jobs_of(acme).exists()
    assert jobs_of(acme, with_deleted=True).get().status == "completed"


def test_a_job_that_lost_its_cursor_is_still_shown(acme: Any) -> None:
    job = make(acme)
    Cursor.objects.filter(job_id=job.id).delete()
    shown = job_of(acme, job.id)
    assert shown is not None
    assert getattr(shown, "cursor", None) is None


def test_a_user_has_old_new_and_mixed_rows_and_nobody_elses(acme: Any) -> None:
    UserIdentity.objects.create(tenant=acme, legacy_user_id=41, user_id="user_41")
    mine = {make(acme).id for _ in range(3)}
    old, new, mixed = sorted(mine)
    Job.objects.filter(id=old).update(user_id=None, legacy_user_id=41)
    Job.objects.filter(id=new).update(user_id="user_41", legacy_user_id=None)
    Job.objects.filter(id=mixed).update(user_id="user_41", legacy_user_id=41)
    stranger = make(acme, user_id="42")
    nobody = make(acme)
    for form in ("user_41", "41"):
        assert set(jobs_of(acme, user_id=form).values_list("id", flat=True)) == mine
        for job_id, owned in [
            (old, True),
            (new, True),
            (mixed, True),
            (stranger.id, False),
            (nobody.id, False),
        ]:
            assert job_of(acme, job_id, user_id=form).owned is owned  # type: ignore[union-attr]


def test_counts_add_up(acme: Any) -> None:
    for trigger in (None, TriggerSpec.every(60), TriggerSpec.once(SOON), TriggerSpec.manual()):
        make(acme, trigger)
    assert job_counts(jobs_of(acme)) == {"total_jobs": 4, "recurring_jobs": 2, "one_time_jobs": 2}


def test_only_the_tenants_own(acme: Any, bravo: Any) -> None:
    job = make(acme)
    assert job_of(bravo, job.id) is None
    with tenant_scope(bravo):
        assert not jobs_of(acme).exists()  # row security alone
    assert not jobs_of(bravo).exists()  # the filter alone
