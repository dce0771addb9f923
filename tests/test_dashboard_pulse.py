"""The pulse's token moves with whatever the member sees, and with nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any, TypeVar

import pytest
from django.db.models import F, Model

from apps.executions.models import Execution
from apps.jobs import runs, services
from apps.jobs.models import Cursor, Job
from apps.tenants.context import all_tenants_scope
from tests.contract.records import Records, now
from tests.factories import make_job
from tests.pulses import Machine, Watch, set_on, vics, working

Row = TypeVar("Row", bound=Model)
HOUR = timedelta(hours=1)
NOBODY: set[str] = set()


@pytest.fixture
def works(live_db: str, cast: Any, other_cast: Any) -> Iterator[Machine]:
    with working() as parts:
        yield parts


@pytest.fixture
def watch(works: Machine, cast: Any, other_cast: Any) -> Watch:
    return Watch(cast, other_cast)


def only(model: type[Row]) -> Row:
    with all_tenants_scope():
        return model._default_manager.get()


def test_runs_from_their_dispatch_to_what_their_job_learns(works: Machine, watch: Watch, cast: Any) -> None:
    """All of Vic's: Alice and Vic see each step, Bob and Bravo none."""
    vics(cast, cool_off_after=1)
    watch.moved()
    seen = {"alice", "vic"}
    assert watch.moved() == NOBODY
    assert watch.moved(works.dispatch) == seen
    assert [watch.of("vic")[key] for key in ("running", "waiting", "attention")] == [0, 1, 0]
    assert watch.moved(works.claim) == seen
    assert [watch.of("vic")[key] for key in ("running", "waiting", "attention")] == [1, 0, 0]
    assert watch.moved(works.end) == seen
    assert [watch.of("alice")[key] for key in ("running", "waiting", "attention")] == [0, 0, 0]
    assert watch.moved(works.count) == NOBODY
    assert watch.moved(works.tell) == seen


def test_a_run_that_begins_and_ends_between_two_looks(works: Machine, watch: Watch, cast: Any) -> None:
    vics(cast)
    works.dispatch()
    watch.moved()

    def runs_through() -> None:
        for step in (works.claim, works.end, works.count, works.tell):
            step()

    assert watch.moved(runs_through) == {"alice", "vic"}


def test_attempts(works: Machine, watch: Watch, cast: Any) -> None:
    """Of the same execution: put back, and lost with its worker."""
    job = vics(cast, max_attempts=3)
    works.dispatch()
    works.claim()
    watch.moved()
    assert watch.moved(works.put_back) == {"alice", "vic"}
    assert watch.of("vic")["waiting"] == 0  # not for an hour
    with all_tenants_scope():
        Execution.objects.filter(job_id=job.pk).update(run_at=now() - HOUR, rank=1)
    works.claim(lease_seconds=0.0)
    watch.moved()
    assert watch.moved(works.reap) == {"alice", "vic"}


def test_failures_and_what_is_done_about_them(works: Machine, watch: Watch, cast: Any) -> None:
    job, seen = vics(cast, cool_off_after=1), {"alice", "vic"}
    works.dispatch()
    works.claim()
    watch.moved()
    assert watch.moved(lambda: works.end("failed")) == seen
    assert watch.of("vic")["attention"] == 0
    assert watch.moved(works.tell) == seen
    assert [watch.of(name)["attention"] for name in ("alice", "vic", "bob", "charlie")] == [1, 1, 0, 0]
    assert watch.moved(lambda: set_on(job, cool_off_until=now() - HOUR)) == seen  # it is over
    assert watch.of("vic")["attention"] == 0
    assert watch.moved(lambda: set_on(job, cool_off_until=now() + HOUR)) == seen
    now_ = lambda: runs.job_run_now(tenant=cast.tenant, job_id=job.pk, actor="tests")  # noqa: E731
    assert watch.moved(now_) == seen
    assert watch.moved(lambda: set_on(job, consecutive_failures=7)) == seen


def test_a_schedule_that_breaks(works: Machine, watch: Watch, cast: Any) -> None:
    vics(cast, trigger_type="cron", cron_expression="* * * * *", timezone="Europe/Atlantis")
    watch.moved()
    assert watch.moved(works.dispatch) == {"alice", "vic"}
    assert only(Cursor).quarantined_at is not None
    assert watch.of("vic")["attention"] == 1


def test_a_time_that_is_skipped(works: Machine, watch: Watch, cast: Any) -> None:
    job = vics(cast, overlap="skip")
    works.dispatch()
    set_on(job, next_run_at=now() - timedelta(milliseconds=500))
    watch.moved()
    assert watch.moved(works.dispatch) == {"alice", "vic"}
    assert only(Execution).job_id == job.pk


def test_what_people_do_with_jobs(watch: Watch, cast: Any) -> None:
    tenant, mine, seen = cast.tenant, {"actor": "tests", "tenant": cast.tenant}, {"alice", "vic"}
    assert watch.moved(lambda: make_job(tenant, user_id=cast.vic.user_id)) == seen
    job = only(Job)
    for deed in (
        lambda: services.job_update(job_id=job.pk, changes={"name": "renamed"}, **mine),
        lambda: services.job_pause(job_id=job.pk, **mine),
        lambda: services.job_pause(job_id=job.pk, reason="another", **mine),
        lambda: services.job_resume(job_id=job.pk, **mine),
        lambda: services.job_trigger(job_id=job.pk, **mine),
        lambda: runs.run_cancel(execution=Execution.objects.get(), by="tests", **mine),
    ):
        assert watch.moved(deed) == seen
    give = {"changes": {"user_id": cast.bob.user_id}, "job_id": job.pk}
    assert watch.moved(lambda: services.job_update(**give, **mine)) == {"alice", "vic", "bob"}
    assert watch.moved(lambda: services.job_delete(job_id=job.pk, **mine)) == {"alice", "bob"}


def test_what_commits_late_has_an_earlier_time(watch: Watch, cast: Any) -> None:
    first, second = (make_job(cast.tenant, user_id=cast.vic.user_id) for _ in range(2))
    watch.moved()
    late = Job.objects.filter(pk=first.pk)
    with all_tenants_scope():
        at = Job.objects.get(pk=second.pk).updated_at - timedelta(seconds=1)
    assert watch.moved(lambda: late.update(version=F("version") + 1, updated_at=at)) == {"alice", "vic"}


def test_of_a_user_who_is_known_by_a_number(watch: Watch, cast: Any) -> None:
    """Rows from before the mapping of user ids have the integer alone."""
    with all_tenants_scope():
        cast.vic.user_id = "4711"
        cast.vic.save()
    watch.moved()
    records = Records(cast.vic)
    old = records.old_job(user_id=None, legacy_user_id=4711)
    assert watch.moved() == {"alice", "vic"}
    row = Records(cast.vic).live_row(old, now())
    row.user_id, row.legacy_user_id = None, 4711
    assert watch.moved(lambda: row.save(force_insert=True)) == {"alice", "vic"}
    assert watch.of("vic")["running"] == 1
    set_on(old, consecutive_failures=3)
    assert watch.moved() == {"alice", "vic"}
    assert watch.moved(lambda: Job.objects.filter(pk=old.pk).update(version=9)) == {"alice", "vic"}


def test_lines_of_the_journal(watch: Watch, cast: Any, other_cast: Any) -> None:
    """The tenant's own are for those who see the tenant, and may be of an earlier time than the last."""
    records = Records(cast.alice)
    assert watch.moved(lambda: records.event("check_cycle", now())) == {"alice"}
    assert watch.moved(lambda: records.event("interval_adjustment", now() - HOUR)) == {"alice"}
    assert watch.moved(lambda: Records(other_cast.alice).event("check_cycle", now())) == {"charlie"}
