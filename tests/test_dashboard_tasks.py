"""All tasks that need somebody: in pages, of those whom the member may see."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from apps.jobs.models import Cursor, Job
from apps.jobs.states import ENDPOINT_GONE
from apps.tenants.context import all_tenants_scope
from tests.contract.client import MemberClient
from tests.contract.records import Records
from tests.pulses import set_on

pytestmark = pytest.mark.django_db


@pytest.fixture
def alice(cast: Any) -> MemberClient:
    return MemberClient(cast.alice)


@pytest.fixture
def bob(cast: Any) -> MemberClient:
    return MemberClient(cast.bob)


@pytest.fixture
def made(cast: Any) -> Records:
    """Bob's."""
    return Records(cast.bob)


def stands(job: Job, **columns: Any) -> Job:
    set_on(job, **columns)
    return job


class TestAllTasksThatNeedSomebody:
    def test_the_worst_first_page_by_page(
        self, alice: MemberClient, bob: MemberClient, cast: Any, other_cast: Any, made: Records
    ) -> None:
        three, nine = (stands(made.job(), consecutive_failures=n) for n in (3, 9))
        five = stands(Records(cast.alice).job(), consecutive_failures=5)
        stands(Records(other_cast.alice).job(), consecutive_failures=7)
        stands(made.job(), consecutive_failures=2)
        said = bob.ok("tasks-needing-intervention")
        assert [task["task_id"] for task in said["tasks"]] == [nine.pk, three.pk]
        assert (said["total_count"], said["has_more"], said["next_cursor"]) == (2, False, None)
        assert [task["task_id"] for task in alice.ok("tasks-needing-intervention/")["tasks"]] == [
            nine.pk,
            five.pk,
            three.pk,
        ]
        page = alice.ok("tasks-needing-intervention", limit=2)
        rest = alice.ok("tasks-needing-intervention", limit=2, cursor=page["next_cursor"])
        assert [task["task_id"] for task in page["tasks"] + rest["tasks"]] == [nine.pk, five.pk, three.pk]
        of_bob = alice.ok("tasks-needing-intervention", user_id="bob-acme")
        assert [task["task_id"] for task in of_bob["tasks"]] == [nine.pk, three.pk]
        assert of_bob["tasks"] == alice.ok("tasks-needing-intervention/bob-acme")["tasks"]
        assert bob.get("tasks-needing-intervention", user_id="alice-acme").status_code == 403
        assert bob.get("tasks-needing-intervention", limit=0).status_code == 400

    def test_the_queries_do_not_grow_with_the_page(self, alice: MemberClient, made: Records) -> None:
        counts = []
        for _ in range(2):
            for _ in range(4):
                stands(made.job(), consecutive_failures=3)
            with CaptureQueriesContext(connection) as queries:
                alice.ok("tasks-needing-intervention")
            counts.append(len(queries))
        assert counts[0] == counts[1]

    def test_one_that_was_switched_off_and_has_lost_its_cursor(
        self, bob: MemberClient, made: Records
    ) -> None:
        job = made.job()
        with all_tenants_scope():
            Job.objects.filter(pk=job.pk).update(switch="paused", pause_reason=ENDPOINT_GONE)
            Cursor.objects.filter(job_id=job.pk).delete()
        [task] = bob.ok("tasks-needing-intervention")["tasks"]
        assert (task["task_id"], task["status"]) == (job.pk, "paused")
        assert task["failure_pattern"]["consecutive_failures"] == 0
        assert bob.ok("pulse")["attention"] == 1
