"""Tasks that need a person: which ones count, what is said of them, and running one at once."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from apps.executions.models import Execution
from apps.jobs import services
from apps.jobs.interventions import LAST_FAILURES, error_patterns
from apps.jobs.models import Cursor, Job
from apps.tenants.context import all_tenants_scope, tenant_scope
from apps.tenants.models import AuditEntry, UserIdentity
from tests.contract.client import MemberClient
from tests.contract.records import Records, now

pytestmark = pytest.mark.django_db


@pytest.fixture
def bob(cast: Any) -> MemberClient:
    return MemberClient(cast.bob)


@pytest.fixture
def made(cast: Any) -> Records:
    return Records(cast.bob)


def stands(job: Job, **columns: Any) -> Job:
    with all_tenants_scope():
        assert Cursor.objects.filter(job_id=job.pk).update(**columns) == 1
    return job


def needing(client: MemberClient, user_id: str = "bob-acme") -> list[dict[str, Any]]:
    answer = client.ok(f"tasks-needing-intervention/{user_id}")
    assert answer["success"] is True
    assert answer["count"] == len(answer["tasks"])
    tasks: list[dict[str, Any]] = answer["tasks"]
    return tasks


def summary(client: MemberClient, user_id: str = "bob-acme") -> dict[str, Any]:
    answer: dict[str, Any] = client.ok(f"task-intervention/summary/{user_id}")
    return answer


HOUR = timedelta(hours=1)


class TestWhichOnes:
    def test_a_cool_off_a_quarantine_and_three_failures_in_a_row(
        self, bob: MemberClient, made: Records
    ) -> None:
        cooling = stands(made.job(), cool_off_until=now() + HOUR)
        quarantined = stands(made.job(), quarantined_at=now(), quarantine_reason="No such zone.")
        failing = stands(made.job(), consecutive_failures=3)
        stands(made.job(), consecutive_failures=2)
        stands(made.job(), cool_off_until=now() - HOUR)
        made.job()
        gone = stands(made.job(), consecutive_failures=9)
        services.job_delete(tenant=made.tenant, job_id=gone.id, actor="tests")
        tasks = needing(bob)
        assert [task["task_id"] for task in tasks] == [failing.id, cooling.id, quarantined.id]
        assert tasks[2]["failure_reason"] == tasks[2]["failure_pattern"]["failure_reason"] == "No such zone."
        assert tasks[1]["cool_off_until"] is not None
        said = summary(bob)
        assert (said["total"], said["critical_failures"], said["by_type"]) == (3, 2, {"http_check": 3})

    def test_nobody_has_any(self, bob: MemberClient) -> None:
        assert needing(bob) == []
        assert summary(bob) == {
            "success": True,
            "user_id": "bob-acme",
            "total": 0,
            "by_type": {},
            "critical_failures": 0,
            "oldest_failure_hours": None,
        }


class TestWhatIsSaid:
    def test_of_a_failing_task(self, bob: MemberClient, made: Records) -> None:
        last = now() - timedelta(minutes=5)
        job = made.job(task_type="gsc_insights", website_url="https://shop.example", platform="gsc")
        stands(job, consecutive_failures=4, last_failure_at=last, failure_reason="HTTP 503")
        for minutes, sentence in ((5, "HTTP 503"), (6, "timed out after 60 s"), (7, "HTTP  503")):
            made.finished(
                job, now() - timedelta(minutes=minutes), error_text="secret words", error_message=sentence
            )
        made.finished(job, now() - timedelta(days=8), error_text="x", error_message="long ago")
        made.finished(job, now() - timedelta(minutes=9), result=1)
        other = made.job()
        made.finished(other, now() - timedelta(minutes=9), error_text="x", error_message="another job's")
        [task] = needing(bob)
        assert {key: task[key] for key in ("task_id", "task_type", "user_id", "platform", "website_url")} == {
            "task_id": job.id,
            "task_type": "gsc_insights",
            "user_id": "bob-acme",
            "platform": "gsc",
            "website_url": "https://shop.example",
        }
        pattern = task["failure_pattern"]
        assert datetime.fromisoformat(pattern.pop("last_failure_time")) == last
        assert pattern == {
            "consecutive_failures": 4,
            "recent_failures": 3,
            "failure_reason": "HTTP 503",
            "error_patterns": ["HTTP 503", "timed out after 60 s"],
        }
        assert task["failure_reason"] == "HTTP 503"
        assert datetime.fromisoformat(task["last_failure"]) == last

    def test_of_one_that_last_failed_weeks_ago(self, bob: MemberClient, made: Records) -> None:
        stands(made.job(), consecutive_failures=3, failure_reason="HTTP 410")
        [task] = needing(bob)
        assert task["failure_pattern"]["recent_failures"] == 0
        assert task["failure_pattern"]["error_patterns"] == ["HTTP 410"]

    def test_only_the_latest_failures_words_are_looked_at(self, bob: MemberClient, made: Records) -> None:
        job = stands(made.job(), consecutive_failures=30)
        for n in range(LAST_FAILURES + 2):
            made.finished(job, now() - timedelta(minutes=n), error_text="x", error_message=f"error {n}")
        [task] = needing(bob)
        assert task["failure_pattern"]["recent_failures"] == LAST_FAILURES + 2
        assert task["failure_pattern"]["error_patterns"] == [f"error {n}" for n in range(LAST_FAILURES)]

    def test_the_summary(self, bob: MemberClient, made: Records) -> None:
        for task_type, failures, hours in (("a", 3, 5), ("a", 12, 1), ("b", 3, 30)):
            stands(
                made.job(task_type=task_type),
                consecutive_failures=failures,
                last_failure_at=datetime.now(UTC) - hours * HOUR,
            )
        stands(made.job(), consecutive_failures=1, last_failure_at=now() - 99 * HOUR)
        said = summary(bob)
        assert 30 <= said.pop("oldest_failure_hours") < 30.1
        assert said == {
            "success": True,
            "user_id": "bob-acme",
            "total": 3,
            "by_type": {"a": 2, "b": 1},
            "critical_failures": 1,
        }

    def test_patterns_do_not_differ_by_ids_and_long_numbers(self) -> None:
        said = [
            "HTTP 404",
            "no order 123456",
            "no order 99999",
            "bad 8c9f1a52-7d0e-4b8f-9d65-0123456789ab",
            None,
            " ",
            "no\n order  1",
        ]
        assert error_patterns(said) == ["no order …", "HTTP 404", "bad …", "no order 1"]

    def test_it_asks_the_database_as_often_for_many_as_for_few(
        self, bob: MemberClient, made: Records
    ) -> None:
        asked: dict[str, list[int]] = {"tasks-needing-intervention": [], "task-intervention/summary": []}
        for n in (1, 25):
            for number in range(n):
                job = stands(made.job(task_type=f"type {number}"), consecutive_failures=5)
                made.finished(job, now() - timedelta(minutes=number), error_text="x")
            for path, counts in asked.items():
                with CaptureQueriesContext(connection) as queries:
                    bob.ok(f"{path}/bob-acme")
                counts.append(len(queries))
        assert len(needing(bob)) == 26
        for path, (few, many) in asked.items():
            assert few == many, path


class TestWhose:
    def test_every_form_of_a_user_is_found_and_nobody_elses(
        self, bob: MemberClient, cast: Any, made: Records
    ) -> None:
        with tenant_scope(made.tenant):
            UserIdentity.objects.create(tenant=made.tenant, legacy_user_id=7, user_id="bob-acme")
        forms = [(None, 7), ("bob-acme", None), ("bob-acme", 7), ("7", None)]
        mine = {
            stands(made.old_job(user_id=text, legacy_user_id=number), consecutive_failures=3).pk
            for text, number in forms
        }
        for text, number in ((None, 8), ("8", None), (None, None), ("alice-acme", None)):
            stands(made.old_job(user_id=text, legacy_user_id=number), consecutive_failures=3)
        for client in (bob, MemberClient(cast.ann)):
            for user_id in ("bob-acme", "7"):
                tasks = needing(client, user_id)
                assert {task["task_id"] for task in tasks} == mine
                assert {task["user_id"] for task in tasks} == {"bob-acme"}
                assert (summary(client, user_id)["total"], summary(client, user_id)["user_id"]) == (
                    4,
                    "bob-acme",
                )

    @pytest.mark.parametrize("path", ["tasks-needing-intervention", "task-intervention/summary"])
    def test_a_member_gets_403_for_another_known_or_not(
        self, bob: MemberClient, cast: Any, other_cast: Any, path: str
    ) -> None:
        answers = [bob.get(f"{path}/{user}") for user in ("alice-acme", "nobody", "41")]
        assert [answer.status_code for answer in answers] == [403, 403, 403]
        assert len({answer.content for answer in answers}) == 1
        assert MemberClient(cast.vic).get(f"{path}/vic-acme/").status_code == 200
        assert MemberClient(cast.ann).get(f"{path}/nobody").status_code == 200

    @pytest.mark.parametrize("path", ["tasks-needing-intervention", "task-intervention/summary"])
    @pytest.mark.parametrize("user_id", ["%00", "a%0ab", "x" * 201, "%ff"])
    def test_what_can_be_nobodys_id(self, bob: MemberClient, cast: Any, path: str, user_id: str) -> None:
        for client in (bob, MemberClient(cast.ann)):
            answer = client.get(f"{path}/{user_id}")
            assert answer.status_code in ((400,) if user_id != "%ff" else (200, 400, 403, 404))
            assert answer.json()


class TestManualTrigger:
    def test_it_ends_the_cool_off_and_runs_now(self, bob: MemberClient, made: Records) -> None:
        until = now() + HOUR
        job = stands(made.job(task_type="a/b c"), cool_off_until=until, consecutive_failures=5)
        answer = bob.send("POST", f"tasks/a/b%20c/{job.id}/manual-trigger", {"reason": "fixed the shop"})
        assert answer.status_code == 202, answer.content
        said = answer.json()
        assert (said["success"], said["task_id"], bool(said["message"])) == (True, job.id, True)
        with tenant_scope(made.tenant):
            execution = Execution.objects.get()
            cursor = Cursor.objects.get(job_id=job.id)
        assert (execution.pk, execution.kind) == (said["execution_id"], "manual")
        # Half open: the run is the probe, and what failed before it asks for no cool-off any more.
        assert cursor.cool_off_until is not None
        assert cursor.cool_off_until <= execution.created_at
        assert cursor.consecutive_failures == 5
        with all_tenants_scope():
            entry = AuditEntry.objects.get(action="job.manual_trigger")
        assert (entry.object_id, entry.reason) == (str(job.id), "fixed the shop")
        assert entry.data["cool_off_ended"] == until.isoformat()
        assert entry.data["execution_id"] == execution.pk

    def test_a_quarantine_stays(self, bob: MemberClient, made: Records) -> None:
        job = stands(made.job(), quarantined_at=now(), quarantine_reason="no")
        assert bob.send("POST", f"tasks/http_check/{job.id}/manual-trigger/").status_code == 202
        assert [task["task_id"] for task in needing(bob)] == [job.id]

    def test_the_type_must_be_the_jobs(
        self, bob: MemberClient, cast: Any, other_cast: Any, made: Records
    ) -> None:
        job = made.job()
        theirs = Records(cast.alice).job()
        for client, path, status in (
            (bob, f"tasks/http_request/{job.id}", 404),
            (bob, f"tasks/http_check/{job.id + 1000}", 404),
            (bob, "tasks/http_check/x", 404),
            (bob, f"tasks/http_check/{theirs.id}", 403),
            (bob, f"tasks/http_request/{theirs.id}", 403),
            (MemberClient(other_cast.alice), f"tasks/http_check/{job.id}", 404),
            (MemberClient(cast.vic), f"tasks/http_check/{job.id}", 403),
        ):
            answer = client.send("POST", f"{path}/manual-trigger")
            assert answer.status_code == status, path
            assert answer.json()["detail"]
        assert bob.send("POST", f"tasks/http_check/{job.id}/manual-trigger", {"why": 1}).status_code == 400
        with all_tenants_scope():
            assert not Execution.objects.exists()
