"""What a person does with executions over HTTP: cancel one that waits, run finished ones again."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from apps.executions.models import Attempt, Delta, Execution, ExecutionLog, OutcomeNote, Skip
from apps.jobs import retries as retrying
from apps.jobs import services
from apps.jobs.models import Job
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


def failed(made: Records, job: Job, minutes: int = 5, **columns: Any) -> ExecutionLog:
    return made.finished(job, now() - timedelta(minutes=minutes), error_text="HTTP 500", **columns)


def retries(tenant: Any) -> dict[int | None, int]:
    """The live retries, by what they are a retry of."""
    with tenant_scope(tenant):
        return dict(Execution.objects.filter(kind="retry").values_list("retry_of", "pk"))


# -- cancel ---------------------------------------------------------------------------------------------------------


class TestCancelWaiting:
    def test_it_ends_in_the_ledger_under_its_id_and_says_who_and_why(
        self, bob: MemberClient, made: Records, acme: Any
    ) -> None:
        job = made.job()
        execution_id = bob.send("POST", f"jobs/{job.id}/trigger").json()["execution_id"]
        answer = bob.send("POST", f"executions/{execution_id}/cancel", {"reason": "wrong shop"})
        assert answer.status_code == 200, answer.content
        assert answer.json() == {
            "success": True,
            "execution_id": execution_id,
            "was": "pending",
            "message": "It was waiting and will not run.",
        }
        shown = bob.ok(f"execution-logs/{execution_id}")
        assert (shown["status"], shown["error_message"]) == ("failed", "Cancelled by bob-acme: wrong shop")
        assert (shown["attempts"], shown["attempt"], shown["execution_time_ms"]) == ([], 0, None)
        with tenant_scope(acme):
            assert not Execution.objects.exists()
            log = ExecutionLog.objects.get()
            assert log.error_message == "Cancelled by bob-acme."  # on-call sees who, not the words
            assert [(d.status, d.n, d.user_key) for d in Delta.objects.all()] == [("failed", 1, "bob-acme")]
            note = OutcomeNote.objects.get()
            assert (note.execution_id, note.failures, note.trailing_failures) == (execution_id, 1, 0)
        with all_tenants_scope():
            entry = AuditEntry.objects.get(action="execution.cancel")
        assert (entry.object_id, entry.reason) == (str(execution_id), "wrong shop")
        assert entry.data["before"] == {"state": "pending", "attempt": 0, "worker": None}
        assert entry.actor.startswith("bob-acme (key ")

    def test_a_tick_that_nobody_tried_ends_there_too_and_is_no_skip(
        self, bob: MemberClient, made: Records, acme: Any
    ) -> None:
        row = made.live(made.job(), now(), leased=False)
        assert bob.send("POST", f"executions/{row.pk}/cancel").status_code == 200
        with tenant_scope(acme):
            assert not Skip.objects.exists()
            log = ExecutionLog.objects.get()
        assert (log.kind, log.scheduled_for, log.error_message) == (
            "scheduled",
            row.scheduled_for,
            "Cancelled by bob-acme.",
        )

    def test_of_a_deleted_job(self, bob: MemberClient, made: Records, acme: Any) -> None:
        job = made.job()
        row = made.live(job, now())
        services.job_delete(tenant=acme, job_id=job.id, actor="tests")
        assert bob.send("POST", f"executions/{row.pk}/cancel").json()["was"] == "leased"

    def test_what_has_finished_cannot_be_cancelled(self, bob: MemberClient, made: Records, acme: Any) -> None:
        job = made.job()
        done, live = failed(made, job), made.live(job, now(), leased=False)
        assert bob.send("POST", f"executions/{live.pk}/cancel").status_code == 200
        for number in (done.pk, live.pk):
            answer = bob.send("POST", f"executions/{number}/cancel")
            assert answer.status_code == 409
            assert (
                answer.json()["detail"] == "This execution has finished already; there is nothing to cancel."
            )
        with tenant_scope(acme):
            assert ExecutionLog.objects.count() == 2

    def test_a_body_that_is_refused_cancels_nothing(
        self, bob: MemberClient, made: Records, acme: Any
    ) -> None:
        row = made.live(made.job(), now(), leased=False)
        for body, named in (
            ({"reason": "r" * 501}, "reason"),
            ({"why": "x"}, "why"),
            ([], "non_field_errors"),
        ):
            answer = bob.send("POST", f"executions/{row.pk}/cancel", body)
            assert answer.status_code == 400
            assert named in answer.json()["errors"]
        with tenant_scope(acme):
            assert Execution.objects.get().pk == row.pk


@pytest.mark.parametrize("action", ["cancel", "retry"])
class TestWhose:
    def test_anothers_is_403_and_another_tenants_404(
        self, cast: Any, other_cast: Any, made: Records, acme: Any, action: str
    ) -> None:
        job = made.job()
        row = made.live(job, now(), leased=False) if action == "cancel" else failed(made, job)
        path = f"executions/{row.pk}/{action}"
        assert MemberClient(cast.vic).send("POST", path).status_code == 403
        assert MemberClient(cast.bob, scopes=["read"]).send("POST", path).status_code == 403
        assert MemberClient(other_cast.alice).send("POST", path).status_code == 404
        stranger = Records(cast.alice)
        theirs = (
            stranger.live(stranger.job(), now()) if action == "cancel" else failed(stranger, stranger.job())
        )
        refused = MemberClient(cast.bob).send("POST", f"executions/{theirs.pk}/{action}")
        assert refused.status_code == 403
        assert refused.json()["detail"] == "This execution is of another user's job."
        with tenant_scope(acme):
            assert ExecutionLog.objects.filter(pk=row.pk).exists() is (action == "retry")
        assert retries(acme) == {}
        assert MemberClient(cast.ann).send("POST", path).status_code in (200, 202)

    @pytest.mark.parametrize("number", ["0", "-1", "x", "1.5", "9" * 19, "9" * 400, "%00"])
    def test_an_id_that_is_no_execution(self, bob: MemberClient, action: str, number: str) -> None:
        answer = bob.send("POST", f"executions/{number}/{action}")
        assert answer.status_code == 404
        assert answer.json()["detail"]


# -- retry ----------------------------------------------------------------------------------------------------------


class TestRetry:
    def test_it_is_a_new_execution_that_names_the_old(
        self, bob: MemberClient, made: Records, acme: Any
    ) -> None:
        job = made.job()
        old = failed(made, job)
        answer = bob.send("POST", f"executions/{old.pk}/retry", {"reason": "the shop is back"})
        assert answer.status_code == 202, answer.content
        said = answer.json()
        assert (said["success"], said["retry_of"], bool(said["message"])) == (True, old.pk, True)
        assert said["execution_id"] != old.pk
        shown = bob.ok(f"execution-logs/{said['execution_id']}")
        assert (shown["retry_of"], shown["kind"], shown["state"]) == (old.pk, "retry", "pending")
        assert bob.ok(f"execution-logs/{old.pk}")["status"] == "failed"
        with all_tenants_scope():
            entry = AuditEntry.objects.get(action="execution.retry")
        assert (entry.object_id, entry.reason) == (str(old.pk), "the shop is back")
        assert entry.data["retried"] == [
            {
                "job_id": job.id,
                "before": {"execution_id": old.pk, "status": "failed"},
                "after": {"execution_id": said["execution_id"], "status": "pending"},
            }
        ]

    def test_a_success_can_run_again_and_twice(self, bob: MemberClient, made: Records) -> None:
        old = made.finished(made.job(), now(), result={"n": 1})
        first, second = (bob.send("POST", f"executions/{old.pk}/retry").json() for _ in range(2))
        assert first["execution_id"] != second["execution_id"]

    def test_what_cannot_run_again(self, bob: MemberClient, cast: Any, made: Records, acme: Any) -> None:
        job, gone = made.job(), made.job()
        live, orphan = made.live(job, now()), failed(made, gone)
        imported = failed(made, job, 9, job_id=None, kind="imported")
        moved = failed(made, job, 7)
        services.job_delete(tenant=acme, job_id=gone.id, actor="tests")
        services.job_update(
            tenant=acme, job_id=job.id, changes={"user_id": cast.alice.user_id}, actor="tests"
        )
        for row, status, word in (
            (live, 409, "not finished"),
            (orphan, 409, "deleted"),
            (imported, 409, "another system"),
            (moved, 403, "belongs to another user"),
        ):
            answer = bob.send("POST", f"executions/{row.pk}/retry")
            assert answer.status_code == status, answer.content
            assert word in answer.json()["detail"]
        assert retries(acme) == {}
        assert MemberClient(cast.ann).send("POST", f"executions/{moved.pk}/retry").status_code == 202


class TestBulkRetry:
    def test_one_that_cannot_loses_no_other(
        self, bob: MemberClient, cast: Any, other_cast: Any, made: Records, acme: Any
    ) -> None:
        job, gone = made.job(), made.job()
        good, again = failed(made, job), failed(made, job, 6)
        live, orphan = made.live(job, now()), failed(made, gone)
        services.job_delete(tenant=acme, job_id=gone.id, actor="tests")
        theirs = failed(Records(cast.alice), Records(cast.alice).job())
        foreign = failed(Records(other_cast.alice), Records(other_cast.alice).job())
        bad = {
            live.pk: "not finished",
            orphan.pk: "deleted",
            theirs.pk: "another user",
            foreign.pk: "no such execution",
            -3: "no such execution",
            10**30: "no such execution",
        }
        ids = [good.pk, *bad, again.pk, good.pk]
        answer = bob.send("POST", "executions/bulk-retry", {"execution_ids": ids})
        assert answer.status_code == 202, answer.content
        said = answer.json()
        assert (said["success"], said["has_more"]) == (False, False)
        assert {item["retry_of"]: item["execution_id"] for item in said["retried"]} == retries(acme)
        assert set(retries(acme)) == {good.pk, again.pk}
        refused = {item["id"]: item["detail"] for item in said["refused"]}
        assert refused.keys() == bad.keys()
        for number, word in bad.items():
            assert word in refused[number]
        with tenant_scope(other_cast.tenant):
            assert not Execution.objects.exists()

    @pytest.mark.parametrize(
        ("body", "field"),
        [
            ({}, "non_field_errors"),
            ({"job_id": 1}, "non_field_errors"),
            ({"execution_ids": [1], "status": "failed"}, "non_field_errors"),
            ({"execution_ids": []}, "execution_ids"),
            ({"execution_ids": list(range(1, 102))}, "execution_ids"),
            ({"execution_ids": ["x"]}, "execution_ids"),
            ({"execution_ids": 7}, "execution_ids"),
            ({"status": "success"}, "status"),
            ({"status": "failed", "since": "yesterday"}, "since"),
            ({"status": "failed", "job_id": 2**63}, "job_id"),
            ({"status": "failed", "user_id": "a\0b"}, "user_id"),
            ({"status": "failed", "reason": "r" * 501}, "reason"),
            ({"status": "failed", "limit": 5}, "limit"),
        ],
    )
    def test_a_body_that_is_refused_names_the_field(
        self, bob: MemberClient, made: Records, acme: Any, body: Any, field: str
    ) -> None:
        failed(made, made.job())
        answer = bob.send("POST", "executions/bulk-retry", body)
        assert answer.status_code == 400
        assert field in answer.json()["errors"]
        assert retries(acme) == {}

    def test_by_filter_it_takes_the_oldest_failures_that_nobody_has_retried(
        self, bob: MemberClient, made: Records, acme: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(retrying, "MAX_RETRIED", 2)
        job, gone = made.job(), made.job()
        made.finished(job, now() - timedelta(minutes=90), result=1)
        oldest, middle, newest = (failed(made, job, minutes) for minutes in (80, 70, 60))
        failed(made, gone, 100)
        services.job_delete(tenant=acme, job_id=gone.id, actor="tests")
        answers = [bob.send("POST", "executions/bulk-retry", {"status": "failed"}).json() for _ in range(3)]
        assert [[item["retry_of"] for item in answer["retried"]] for answer in answers] == [
            [oldest.pk, middle.pk],
            [newest.pk],
            [],
        ]
        assert [answer["has_more"] for answer in answers] == [True, False, False]
        assert [answer["success"] for answer in answers] == [True, True, True]
        failed(
            made, job, 50, kind="retry", retry_of=newest.pk
        )  # it failed again: that one may be retried, too
        with all_tenants_scope():
            Execution.objects.all().delete()
        [again] = bob.send(
            "POST", "executions/bulk-retry", {"status": "failed", "since": _iso(newest)}
        ).json()["retried"]
        assert again["retry_of"] not in (oldest.pk, middle.pk, newest.pk)

    def test_filters(self, cast: Any, made: Records, acme: Any) -> None:
        one, two = made.job(), made.job()
        first, second, third = failed(made, one, 30), failed(made, two, 20), failed(made, two, 10)
        theirs = failed(Records(cast.alice), Records(cast.alice).job(), 15)

        def found(**asked: Any) -> list[int]:
            return [row.pk for row in retrying.failures_to_retry(acme, owner=None, **asked)]

        with tenant_scope(acme):
            assert found() == [first.pk, second.pk, theirs.pk, third.pk]
            assert found(job_id=two.id) == [second.pk, third.pk]
            assert found(job_id=two.id, since=third.scheduled_for) == [third.pk]
            assert found(until=second.scheduled_for) == [first.pk]
            assert found(user_id=cast.alice.user_id) == [theirs.pk]
            assert found(user_id="nobody") == []

    def test_members_retry_their_own_in_every_form_and_nobody_elses(
        self, bob: MemberClient, cast: Any, acme: Any
    ) -> None:
        with tenant_scope(acme):
            UserIdentity.objects.create(tenant=acme, legacy_user_id=7, user_id=cast.bob.user_id)
        made = Records(cast.bob)
        jobs = [
            made.old_job(user_id=text, legacy_user_id=number)
            for text, number in (
                (None, 7),
                ("7", None),
                ("bob-acme", 7),
                ("bob-acme", None),
                (None, 8),
                (None, None),
            )
        ]
        with tenant_scope(acme):
            rows = [
                failed(made, job, 30 + n)
                for n, job in enumerate(Job.objects.filter(pk__in=[job.pk for job in jobs]).order_by("pk"))
            ]
        failed(Records(cast.alice), Records(cast.alice).job())
        assert (
            bob.send(
                "POST", "executions/bulk-retry", {"status": "failed", "user_id": cast.alice.user_id}
            ).status_code
            == 403
        )
        said = bob.send("POST", "executions/bulk-retry", {"status": "failed", "user_id": "7"}).json()
        assert {item["retry_of"] for item in said["retried"]} == {row.pk for row in rows[:4]}
        assert bob.send("POST", "executions/bulk-retry", {"status": "failed"}).json()["retried"] == []

    def test_it_asks_the_database_as_often_for_many_as_for_few(
        self, bob: MemberClient, made: Records
    ) -> None:
        asked = []
        for n in (2, 30):
            ids = [failed(made, made.job(), 5).pk for _ in range(n)]
            with CaptureQueriesContext(connection) as queries:
                assert (
                    len(bob.send("POST", "executions/bulk-retry", {"execution_ids": ids}).json()["retried"])
                    == n
                )
            asked.append(len(queries))
        assert asked[0] == asked[1]


def test_attempts_of_a_cancelled_lease_say_so(bob: MemberClient, made: Records, acme: Any) -> None:
    row = made.live(made.job(), now())
    assert bob.send("POST", f"executions/{row.pk}/cancel").json()["was"] == "leased"
    [attempt] = bob.ok(f"execution-logs/{row.pk}")["attempts"]
    assert (attempt["outcome"], attempt["attempt"], attempt["worker"]) == ("cancelled", 1, "w1")
    with tenant_scope(acme):
        assert Attempt.objects.get().lease_token == row.lease_token


def _iso(row: ExecutionLog) -> str:
    return row.scheduled_for.isoformat()
