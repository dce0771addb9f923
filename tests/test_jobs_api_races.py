"""Two people change one job at the same time, in sessions of their own."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection

from apps.executions.models import Execution
from apps.jobs.models import Job
from apps.tenants import machine
from apps.tenants.context import tenant_scope
from tests.contract.records import Records, now
from tests.factories import key_of, make_job
from tests.replicas import wait_for
from tests.test_jobs_api import Caller
from tests.workers import Session

_WAITING = """
SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'
"""


@pytest.fixture
def session(live_db: str) -> Iterator[Session]:
    with machine.connect(application_name="tests") as session:
        yield session


@pytest.fixture
def holder(live_db: str) -> Iterator[Session]:
    """Holds the job until both have asked."""
    with machine.connect(application_name="tests, holder") as session:
        yield session


def test_of_two_edits_of_one_version_one_is_done_and_one_is_412(
    session: Session, holder: Session, cast: Any, acme: Any
) -> None:
    job = make_job(acme)
    callers = [Caller(cast.host, key_of(person)[1]) for person in (cast.alice, cast.ann)]

    def rename(caller: Caller, name: str) -> Any:
        try:
            return caller("PATCH", f"jobs/{job.id}", {"name": name}, **{"If-Match": '"1"'})
        finally:
            connection.close()

    with ThreadPoolExecutor(2) as pool:
        with holder.transaction():
            holder.execute("SELECT 1 FROM jobs_cursor WHERE job_id = %s FOR UPDATE", [job.id])
            answers = [
                pool.submit(rename, caller, name)
                for caller, name in zip(callers, ("hers", "Ann's"), strict=True)
            ]
            wait_for(lambda: session.execute(_WAITING).fetchone() == (2,), "both at the job")
        done, refused = sorted((answer.result(20) for answer in answers), key=lambda a: int(a.status_code))
    assert (done.status_code, refused.status_code) == (200, 412)
    assert done["ETag"] == '"2"'
    assert "Read it again" in refused.json()["detail"]
    with tenant_scope(acme):
        assert (Job.objects.get().version, Job.objects.get().name) == (2, done.json()["name"])


def test_of_two_who_retry_the_same_failures_by_filter_one_does(
    session: Session, holder: Session, cast: Any, acme: Any
) -> None:
    made = Records(cast.bob)
    job = made.job()
    failures = [made.finished(job, now() - timedelta(minutes=n), error_text="HTTP 500") for n in (20, 10)]
    callers = [Caller(cast.host, key_of(person)[1]) for person in (cast.alice, cast.ann)]

    def retry(caller: Caller) -> Any:
        try:
            return caller("POST", "executions/bulk-retry", {"status": "failed"}).json()
        finally:
            connection.close()

    with ThreadPoolExecutor(2) as pool:
        with holder.transaction():
            holder.execute("SELECT 1 FROM jobs_cursor WHERE job_id = %s FOR UPDATE", [job.id])
            answers = [pool.submit(retry, caller) for caller in callers]
            wait_for(lambda: session.execute(_WAITING).fetchone() == (2,), "both at the job")
        said = [answer.result(20) for answer in answers]
    assert sorted(len(one["retried"]) for one in said) == [0, 2]
    assert [one["refused"] for one in said] == [[], []]
    with tenant_scope(acme):
        made_of = Execution.objects.filter(kind="retry").values_list("retry_of", flat=True)
        assert sorted(made_of) == [row.pk for row in failures]
