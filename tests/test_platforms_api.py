"""Connecting platforms and what is told of them: what goes in, what never comes out, and whose it is."""

from __future__ import annotations

import json
from typing import Any

import pytest

from apps.executions.models import ExecutionLog
from apps.executions.states import Kind, Outcome
from apps.executions.targets import registry as targets
from apps.jobs import services as jobs
from apps.jobs.models import PLATFORM_CATEGORY, Cursor, Job
from apps.jobs.platforms import registry
from apps.tenants.context import all_tenants_scope, tenant_scope
from apps.tenants.models import AuditEntry, UserIdentity
from apps.vault.connections import connection_of, credentials_get
from apps.vault.models import Connection
from tests.contract.client import MemberClient
from tests.contract.schemas import platforms as contract
from tests.contract.schemas.words import violations
from tests.drift import START
from tests.factories import MembershipFactory

SECRET = "the refresh token itself"
BODY = {
    "credentials": {"refresh_token": SECRET},
    "label": "Our shop",
    "settings": {"site": "https://shop.example"},
}


@pytest.fixture
def bob(db: None, cast: Any) -> MemberClient:
    return MemberClient(cast.bob)


def put(client: MemberClient, platform: str = "gsc", query: str = "", **body: Any) -> Any:
    return client.send("PUT", f"connections/{platform}{query}", body or BODY)


def job_body(**fields: Any) -> dict[str, Any]:
    return {
        "name": "mine",
        "trigger": {"type": "interval", "interval_seconds": 3600},
        "target": "gsc_insights",
        "platform": "gsc",
        "task_category": PLATFORM_CATEGORY,
        **fields,
    }


class TestConnections:
    def test_connecting_and_replacing(self, bob: MemberClient, acme: Any, cast: Any) -> None:
        made = put(bob)
        assert made.status_code == 201
        shown = made.json()
        assert (shown["platform"], shown["title"], shown["task_type"], shown["status"]) == (
            "gsc",
            "Google Search Console",
            "gsc_insights",
            "connected",
        )
        assert shown["user_id"] == cast.bob.user_id
        assert (shown["label"], shown["settings"]) == (BODY["label"], BODY["settings"])
        assert shown["has_credentials"] is True
        assert shown["credentials_updated_at"]
        assert put(bob).status_code == 200
        assert bob.ok("connections/gsc")["created_at"] == shown["created_at"]
        page = bob.ok("connections")
        assert (page["total_count"], [one["platform"] for one in page["connections"]]) == (1, ["gsc"])

    def test_credentials_go_in_and_never_come_out(self, bob: MemberClient, acme: Any, cast: Any) -> None:
        answers = [put(bob), put(bob), bob.get("connections"), bob.get("connections/gsc")]
        answers.append(bob.send("POST", f"platform-insights/reconcile/{cast.bob.user_id}", {}))
        answers.append(bob.get(f"platform-insights/status/{cast.bob.user_id}"))
        with tenant_scope(acme):
            row = connection_of(acme.pk, cast.bob.user_id, "gsc")
            assert row is not None
            assert credentials_get(row) == BODY["credentials"]
            assert SECRET.encode() not in bytes(row.sealed or b"")
            audited = json.dumps(list(AuditEntry.objects.values_list("data", flat=True)))
        answers.append(bob.send("DELETE", "connections/gsc"))
        for answer in answers:
            assert answer.status_code in (200, 201)
            assert SECRET not in answer.content.decode()
        assert SECRET not in audited
        assert "shop.example" not in audited, "on-call reads the trail, and not what the vault keeps"

    def test_a_replacement_without_credentials_keeps_them(
        self, bob: MemberClient, acme: Any, cast: Any
    ) -> None:
        assert put(bob, label="no token yet").status_code == 400
        with tenant_scope(acme):
            assert not Connection.objects.exists()
        before = put(bob).json()
        after = put(bob, label="renamed").json()
        assert (after["label"], after["settings"]) == ("renamed", {})
        assert after["credentials_updated_at"] == before["credentials_updated_at"]
        with tenant_scope(acme):
            row = connection_of(acme.pk, cast.bob.user_id, "gsc")
            assert row is not None
            assert credentials_get(row) == BODY["credentials"]

    @pytest.mark.parametrize(
        ("field", "value"),
        [
            ("credentials", "a token"),
            ("credentials", {}),
            ("credentials", None),
            ("credentials", {"token": "x" * 17_000}),
            ("settings", []),
            ("settings", {"a": "\0"}),
            ("settings", {"\0": 1}),
            ("settings", {"a": ["x" * 17_000]}),
            ("settings", {"a": "\ud800"}),
            ("label", "x" * 201),
            ("label", "two\nlines"),
            ("label", 7),
            ("has_credentials", True),
        ],
    )
    def test_what_cannot_be_kept_is_refused_by_name(
        self, bob: MemberClient, acme: Any, field: str, value: Any
    ) -> None:
        answer = put(bob, **{**BODY, field: value})
        assert answer.status_code == 400
        assert list(answer.json()["errors"]) == [field]
        with tenant_scope(acme):
            assert not Connection.objects.exists()

    def test_other_platforms_are_not_found_and_the_known_are_named(self, bob: MemberClient) -> None:
        for method in ("GET", "PUT", "DELETE"):
            answer = bob.send(method, "connections/myspace", BODY if method == "PUT" else None)
            assert answer.status_code == 404
            assert "bing, gsc" in answer.json()["detail"]
            if method != "PUT":
                assert bob.send(method, "connections/gsc").status_code == 404

    def test_each_deed_is_audited_with_before_and_after(
        self, bob: MemberClient, acme: Any, cast: Any
    ) -> None:
        put(bob)
        put(bob, credentials=BODY["credentials"], label="renamed", settings={"site": "https://other.example"})
        bob.send("DELETE", "connections/gsc")
        with tenant_scope(acme):
            made, changed, gone = AuditEntry.objects.filter(object_type="connection").order_by("id")
        assert [entry.action for entry in (made, changed, gone)] == [
            "connection.create",
            "connection.update",
            "connection.delete",
        ]
        assert {entry.object_id for entry in (made, changed, gone)} == {f"gsc of {cast.bob.user_id}"}
        assert made.actor.startswith(f"{cast.bob.user_id} (key ")
        assert (made.data["before"]["status"], made.data["after"]["status"]) == ("disconnected", "connected")
        assert "renamed" not in str(changed.data)
        assert changed.data["changed_settings"] == ["site"]
        assert changed.data["after"]["settings"] == ["site"]
        keys = [changed.data[when]["credentials_updated_at"] for when in ("before", "after")]
        assert keys[0] < keys[1]
        assert gone.data["after"] == {"status": "disconnected"}

    def test_whose(self, bob: MemberClient, acme: Any, cast: Any) -> None:
        admin, viewer = MemberClient(cast.ann), MemberClient(cast.vic)
        assert put(bob, query=f"?user_id={cast.ann.user_id}").status_code == 403
        assert put(bob, query="?user_id=nobody-at-all").status_code == 403
        assert put(bob, query=f"?user_id={cast.bob.user_id}").status_code == 201
        assert put(viewer).status_code == 403
        assert viewer.ok("connections")["total_count"] == 0
        assert viewer.get("connections", user_id=cast.bob.user_id).status_code == 403
        assert admin.get("connections/gsc").status_code == 404
        assert admin.ok("connections/gsc", user_id=cast.bob.user_id)["label"] == BODY["label"]
        assert put(admin, query=f"?user_id={cast.bob.user_id}").status_code == 200
        assert put(admin).status_code == 201
        assert admin.ok("connections")["total_count"] == 2
        assert bob.ok("connections")["total_count"] == 1
        gone = admin.send("DELETE", f"connections/gsc?user_id={cast.bob.user_id}")
        assert (gone.status_code, gone.json()["status"]) == (200, "disconnected")
        assert bob.ok("connections")["total_count"] == 0
        assert admin.ok("connections")["total_count"] == 1

    @pytest.mark.parametrize("user_id", ["%00", "a%0Ab", "x" * 201])
    def test_what_can_be_nobodys_id(self, db: None, cast: Any, user_id: str) -> None:
        admin = MemberClient(cast.ann)
        assert admin.send("GET", f"connections?user_id={user_id}").status_code == 400
        assert put(admin, query=f"?user_id={user_id}").status_code == 400
        assert admin.send("GET", f"platform-insights/status/{user_id}").status_code == 400
        assert admin.send("GET", f"platform-insights/logs/{user_id}").status_code == 400
        assert admin.send("POST", f"platform-insights/reconcile/{user_id}", {}).status_code == 400


@pytest.fixture
def numbered(db: None, acme: Any) -> Any:
    """A member with a number from older systems."""
    return MembershipFactory(tenant=acme, username="nora", user_id="nora", legacy_user_id=4711)


class TestInsights:
    def test_status_creates_nothing_and_reconcile_what_is_missing(self, bob: MemberClient, cast: Any) -> None:
        who = cast.bob.user_id
        put(bob, "gsc")
        put(bob, "bing")
        empty = bob.ok(f"platform-insights/status/{who}")
        assert violations(contract.STATUS, empty) == []
        assert (empty["total_tasks"], empty["missing_platforms"]) == (0, ["bing", "gsc"])
        with all_tenants_scope():
            assert not Job.objects.exists()

        first = bob.send("POST", f"platform-insights/reconcile/{who}", {"reason": "first visit"}).json()
        assert violations(contract.RECONCILED, first) == []
        assert (first["success"], first["user_id"], first["auditable"]) == (True, who, True)
        assert first["connected_insights_platforms"] == first["created_platforms"] == ["bing", "gsc"]
        assert (first["skipped_platforms"], first["failures"]) == ([], [])
        again = bob.send("POST", f"platform-insights/reconcile/{who}").json()
        assert (again["created_platforms"], again["skipped_platforms"]) == ([], ["bing", "gsc"])
        assert {one["reason"] for one in again["details"]} == {"It has a job already."}

        status = bob.ok(f"platform-insights/status/{who}")
        assert violations(contract.STATUS, status) == []
        assert (status["total_tasks"], status["active_tasks"], status["missing_platforms"]) == (2, 2, [])
        task = next(task for task in status["tasks"] if task["platform"] == "gsc")
        assert (task["task_type"], task["task_category"]) == ("gsc_insights", PLATFORM_CATEGORY)
        assert (task["trigger_type"], task["user_id"]) == ("IntervalTrigger", who)
        with all_tenants_scope():
            runs = AuditEntry.objects.filter(action="platforms.reconcile").order_by("id")
            assert [(entry.object_id, entry.reason) for entry in runs] == [(who, "first visit"), (who, "")]
            assert set(AuditEntry.objects.filter(action="job.create").values_list("reason", flat=True)) == {
                "first visit"
            }

    def test_status_counts_what_stands_still(self, bob: MemberClient, acme: Any, cast: Any) -> None:
        put(bob, "gsc")
        put(bob, "bing")
        bob.send("POST", f"platform-insights/reconcile/{cast.bob.user_id}")
        gsc, bing = (_job(acme, platform) for platform in ("gsc", "bing"))
        jobs.job_pause(tenant=acme, job_id=gsc.id, reason="holidays", actor="tests")
        with all_tenants_scope():
            type(bing.cursor).objects.filter(pk=bing.pk).update(last_status=Outcome.FAILED)
        status = bob.ok(f"platform-insights/status/{cast.bob.user_id}")
        counts = [status[f"{name}_tasks"] for name in ("total", "active", "paused", "failed")]
        assert counts == [2, 0, 1, 1]

    def test_disconnecting_pauses_and_connecting_again_resumes(
        self, bob: MemberClient, acme: Any, cast: Any
    ) -> None:
        path = f"platform-insights/reconcile/{cast.bob.user_id}"
        put(bob)
        bob.send("POST", path)
        job = _job(acme, "gsc")
        bob.send("DELETE", "connections/gsc")
        shown = bob.ok(f"jobs/{job.id}")
        assert (shown["status"], shown["pause_reason"]) == ("paused", "The platform was disconnected.")
        assert bob.send("POST", path).json()["connected_insights_platforms"] == []
        assert bob.ok(f"platform-insights/status/{cast.bob.user_id}")["total_tasks"] == 0
        put(bob)
        assert bob.ok(f"jobs/{job.id}")["status"] == "paused", "connecting alone starts nothing"
        done = bob.send("POST", path).json()
        assert (done["resumed_platforms"], done["skipped_platforms"]) == (["gsc"], ["gsc"])
        assert bob.ok(f"jobs/{job.id}")["status"] == "active"

    def test_credentials_can_be_withdrawn_though_the_job_lost_its_cursor(
        self, bob: MemberClient, acme: Any, cast: Any
    ) -> None:
        put(bob)
        bob.send("POST", f"platform-insights/reconcile/{cast.bob.user_id}")
        with all_tenants_scope():
            Cursor.objects.filter(job=_job(acme, "gsc")).delete()
        assert bob.send("DELETE", "connections/gsc").status_code == 200
        assert bob.get("connections/gsc").status_code == 404

    def test_no_other_job_stands_in_for_the_monitoring_job(self, bob: MemberClient) -> None:
        own = {"target": "http_check", "payload": {"url": "https://example.com/"}}
        for body in (
            job_body(**own),
            job_body(task_type="mine"),
            job_body(platform="bing"),
            job_body(platform=None),
        ):
            answer = bob.send("POST", "jobs", body)
            assert (answer.status_code, list(answer.json()["errors"])) == (400, ["task_category"])
        made = bob.send("POST", "jobs", job_body()).json()
        assert bob.send("PATCH", f"jobs/{made['id']}", own).status_code == 400

    def test_a_job_that_a_person_paused_stays_so(self, bob: MemberClient, acme: Any, cast: Any) -> None:
        put(bob)
        bob.send("POST", f"platform-insights/reconcile/{cast.bob.user_id}")
        job = _job(acme, "gsc")
        jobs.job_pause(tenant=acme, job_id=job.id, reason="holidays", actor="tests")
        bob.send("DELETE", "connections/gsc")
        put(bob)
        done = bob.send("POST", f"platform-insights/reconcile/{cast.bob.user_id}").json()
        assert (done["resumed_platforms"], done["skipped_platforms"]) == ([], ["gsc"])
        assert bob.ok(f"jobs/{job.id}")["pause_reason"] == "holidays"

    def test_what_the_plan_refuses_is_a_failure_of_its_platform_alone(
        self, bob: MemberClient, acme: Any, cast: Any, plan: Any
    ) -> None:
        put(bob, "gsc")
        put(bob, "bing")
        with all_tenants_scope():
            type(plan).objects.filter(pk=plan.pk).update(allowed_tasks=["gsc_insights"])
        answer = bob.send("POST", f"platform-insights/reconcile/{cast.bob.user_id}")
        assert answer.status_code == 200
        done = answer.json()
        assert violations(contract.RECONCILED, done) == []
        assert (done["success"], done["created_platforms"]) == (False, ["gsc"])
        assert done["failures"] == [{"platform": "bing", "error": "Your plan does not include this task."}]
        with all_tenants_scope():
            type(plan).objects.filter(pk=plan.pk).update(allowed_tasks=["*"], max_jobs=1)
        done = bob.send("POST", f"platform-insights/reconcile/{cast.bob.user_id}").json()
        assert done["skipped_platforms"] == ["gsc"]
        assert "allows 1 jobs" in done["failures"][0]["error"]

    def test_logs_are_those_of_the_monitoring_jobs(self, bob: MemberClient, acme: Any, cast: Any) -> None:
        put(bob)
        bob.send("POST", f"platform-insights/reconcile/{cast.bob.user_id}")
        with tenant_scope(acme):
            other = jobs.job_create(
                tenant=acme,
                spec=registry.GSC.job_spec(cast.ann.user_id),
                actor="tests",
            )
            plain = Job.objects.create(
                tenant=acme,
                name="no platform",
                user_id=cast.bob.user_id,
                trigger_type="manual",
                target="tests.noop",
                task_type="tests.noop",
            )
            mine = Job.objects.get(user_id=cast.bob.user_id, platform="gsc")
            for number, job in enumerate((mine, other, plain)):
                _finished(acme, job, number)
        page = bob.ok(f"platform-insights/logs/{cast.bob.user_id}")
        assert violations(contract.LOGS, page) == []
        assert (page["success"], page["total_count"]) == (True, 1)
        assert page["logs"][0]["job_id"] == str(mine.id)
        assert bob.get(f"platform-insights/logs/{cast.ann.user_id}").status_code == 403

    @pytest.mark.parametrize("form", ["nora", "4711"])
    @pytest.mark.parametrize("stored", ["old", "new", "mixed", "text of the number"])
    def test_old_new_and_mixed_ids_are_one_user(
        self, acme: Any, numbered: Any, cast: Any, form: str, stored: str
    ) -> None:
        columns: Any = {
            "old": {"user_id": None, "legacy_user_id": 4711},
            "new": {"user_id": "nora", "legacy_user_id": None},
            "mixed": {"user_id": "nora", "legacy_user_id": 4711},
            "text of the number": {"user_id": "4711", "legacy_user_id": None},
        }[stored]
        nora, admin = MemberClient(numbered), MemberClient(cast.ann)
        with tenant_scope(acme):
            Connection.objects.create(platform="gsc", label="from older days", **columns)
            Connection.objects.create(platform="bing", user_id="4712", label="somebody else's")
            old = Job.objects.create(
                tenant=acme,
                name="from older days",
                trigger_type="manual",
                target="gsc_insights",
                task_type="gsc_insights",
                task_category=PLATFORM_CATEGORY,
                platform="gsc",
                **columns,
            )
        for client in (nora, admin):
            assert client.ok("connections/gsc", user_id=form)["user_id"] == "nora"
            status = client.ok(f"platform-insights/status/{form}")
            assert [task["id"] for task in status["tasks"]] == [str(old.id)]
            assert status["connected_platforms"] == ["gsc"]
            done = client.send("POST", f"platform-insights/reconcile/{form}").json()
            assert (done["user_id"], done["skipped_platforms"]) == ("nora", ["gsc"])
        assert put(nora, query=f"?user_id={form}").status_code == 200
        with tenant_scope(acme):
            row = Connection.objects.get(platform="gsc")
        assert (row.user_id, row.legacy_user_id) == ("nora", 4711)

    def test_an_unmapped_number_and_its_text_are_one_user(self, db: None, acme: Any, cast: Any) -> None:
        admin = MemberClient(cast.ann)
        with tenant_scope(acme):
            Connection.objects.create(platform="gsc", legacy_user_id=99)
            assert not UserIdentity.objects.filter(legacy_user_id=99).exists()
        done = admin.send("POST", "platform-insights/reconcile/99").json()
        assert (done["user_id"], done["created_platforms"]) == ("99", ["gsc"])
        job = _job(acme, "gsc")
        assert (job.user_id, job.legacy_user_id) == ("99", 99)
        assert admin.send("POST", "platform-insights/reconcile/99").json()["skipped_platforms"] == ["gsc"]

    def test_a_second_monitoring_job_is_refused_however_it_is_asked_for(self, bob: MemberClient) -> None:
        assert bob.send("POST", "jobs", job_body()).status_code == 201
        twice = bob.send("POST", "jobs", job_body(name="again"))
        assert (twice.status_code, list(twice.json()["errors"])) == (400, ["platform"])
        other = bob.send("POST", "jobs", job_body(name="again", task_category="general")).json()
        changed = bob.send("PATCH", f"jobs/{other['id']}", {"task_category": PLATFORM_CATEGORY})
        assert (changed.status_code, list(changed.json()["errors"])) == (400, ["platform"])


def test_the_tasks_are_every_tenants() -> None:
    for name in ("gsc_insights", "bing_insights", "oauth_token_monitoring", "website_analysis"):
        assert targets.is_allowed(name, [])


def _job(tenant: Any, platform: str) -> Job:
    with tenant_scope(tenant):
        return Job.objects.select_related("cursor").get(platform=platform, task_category=PLATFORM_CATEGORY)


def _finished(tenant: Any, job: Job, number: int) -> None:
    ExecutionLog.objects.create(
        id=9_000_000 + number,
        tenant=tenant,
        job_id=job.id,
        job_name=job.name,
        user_id=job.user_id,
        kind=Kind.SCHEDULED,
        scheduled_for=START,
        run_at=START,
        task_type=job.task_type,
        target=job.target,
        status=Outcome.SUCCESS,
        attempts=1,
        finished_at=START,
        created_at=START,
    )
