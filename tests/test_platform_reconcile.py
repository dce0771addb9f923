"""Every connection gets its one monitoring job: by two at once, by on-call, and whatever form a user's id has."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Sequence
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command
from django.db import IntegrityError, connection, transaction
from django.test import Client

from apps.jobs import services as jobs
from apps.jobs.models import PLATFORM_CATEGORY, Cursor, Job
from apps.jobs.platforms import registry, services
from apps.jobs.platforms.services import Ensured, Reconciliation, connection_delete, user_reconcile
from apps.operations.services import reconcile
from apps.tenants import machine
from apps.tenants.context import all_tenants_scope, tenant_scope
from apps.tenants.models import AuditEntry, Tenant, User
from apps.vault.connections import credentials_get
from apps.vault.models import Connection
from tests.contract.client import MemberClient
from tests.replicas import wait_for


def connect(tenant: Any, user_id: str, platform: str = "gsc") -> Connection:
    row, _ = services.connection_put(
        tenant=tenant, user_id=user_id, platform=platform, credentials={"token": "t"}, actor="tests"
    )
    return row


def monitoring(tenant: Any) -> list[Job]:
    with tenant_scope(tenant):
        return list(Job.objects.filter(task_category=PLATFORM_CATEGORY, deleted_at=None).order_by("id"))


def run(**kwargs: Any) -> Any:
    asked = {"kinds": ["platform_jobs"], "tenant": None, "dry_run": False, "reason": "tests", "actor": "olga"}
    return reconcile(**{**asked, **kwargs})


def at_once(deeds: Sequence[Callable[[], Any]]) -> list[Any]:
    """Each deed in a thread and a session of its own, begun together; their results, or what they raised."""
    gate = threading.Barrier(len(deeds))
    results: list[Any] = [None] * len(deeds)

    def one(index: int) -> None:
        try:
            gate.wait(20)
            results[index] = deeds[index]()
        except Exception as error:  # the test looks at it
            results[index] = error
        finally:
            connection.close()

    threads = [threading.Thread(target=one, args=(index,)) for index in range(len(deeds))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return results


class TestAtOnce:
    def test_eight_create_one(self, live_db: str, acme: Any) -> None:
        for platform in registry.names():
            connect(acme, "bob", platform)
        done = at_once([lambda: user_reconcile(tenant=acme, user_id="bob", actor="tests")] * 8)
        assert all(isinstance(one, Reconciliation) for one in done), done
        assert [one.failures for one in done] == [{}] * 8
        for platform in registry.names():
            outcomes = [one.ensured[platform] for one in done]
            assert outcomes.count(Ensured.CREATED) == 1, outcomes
        assert sorted(str(job.platform) for job in monitoring(acme)) == registry.names()
        with all_tenants_scope():
            assert Cursor.objects.count() == len(registry.names())
            assert AuditEntry.objects.filter(action="job.create").count() == len(registry.names())

    def test_the_database_stops_who_did_not_see_the_other(self, live_db: str, acme: Any) -> None:
        """A job made another way and not yet committed cannot be seen; that it becomes one of two is refused."""
        connect(acme, "bob")
        results: list[Any] = []

        def late() -> None:
            try:
                results.append(user_reconcile(tenant=acme, user_id="bob", actor="tests"))
            finally:
                connection.close()

        thread = threading.Thread(target=late)
        with machine.connect(application_name="watcher") as watcher:
            with transaction.atomic():
                jobs.job_create(tenant=acme, spec=registry.GSC.job_spec("bob"), actor="tests")
                thread.start()
                wait_for(lambda: _waiting(watcher), "the other waits for this transaction")
            thread.join(30)
        [done] = results
        assert (done.ensured, done.failures) == ({"gsc": Ensured.MADE_MEANWHILE}, {})
        assert len(monitoring(acme)) == 1

    def test_two_rows_cannot_be(self, live_db: str, acme: Any) -> None:
        with tenant_scope(acme):
            columns: dict[str, Any] = {
                "tenant": acme,
                "name": "x",
                "trigger_type": "manual",
                "target": "gsc_insights",
                "task_type": "gsc_insights",
                "task_category": PLATFORM_CATEGORY,
                "platform": "gsc",
            }
            Job.objects.create(user_id="7", **columns)
            with pytest.raises(IntegrityError, match="job_one_per_connected_platform"):
                Job.objects.create(legacy_user_id=7, **columns)
            Job.objects.create(legacy_user_id=8, **columns)

    def test_eight_connect_once(self, live_db: str, acme: Any) -> None:
        deeds: list[Callable[[], Any]] = [
            lambda n=n: services.connection_put(
                tenant=acme, user_id="bob", platform="gsc", credentials={"n": n}, label=f"{n}", actor="tests"
            )
            for n in range(8)
        ]
        done = at_once(deeds)
        assert sum(is_new for _, is_new in done) == 1
        with tenant_scope(acme):
            row = Connection.objects.get()
            assert credentials_get(row) == {"n": int(row.label)}, "whose label, whose credentials"

    def test_a_disconnection_meanwhile_leaves_nothing_running(self, live_db: str, acme: Any) -> None:
        connect(acme, "bob")
        results: list[Any] = []

        def late() -> None:
            try:
                results.append(user_reconcile(tenant=acme, user_id="bob", actor="tests"))
            finally:
                connection.close()

        thread = threading.Thread(target=late)
        with machine.connect(application_name="watcher") as watcher:
            with transaction.atomic():
                connection_delete(tenant=acme, user_id="bob", platform="gsc", actor="tests")
                thread.start()
                wait_for(lambda: _waiting(watcher), "the other waits for this transaction")
            thread.join(30)
        assert results[0].ensured == {"gsc": Ensured.DISCONNECTED}
        assert monitoring(acme) == []


def _waiting(watcher: Any) -> bool:
    found = watcher.execute(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    ).fetchone()
    return bool(found[0])


@pytest.fixture
def connected(db: None, acme: Any, bravo: Any) -> dict[str, Connection]:
    return {"acme": connect(acme, "bob"), "bravo": connect(bravo, "bea", "bing")}


class TestReconciler:
    def test_a_dry_run_finds_and_a_real_one_creates_once_in_every_tenant(
        self, connected: Any, acme: Any, bravo: Any
    ) -> None:
        dry = run(dry_run=True, reason="")
        assert [(item.drift.tenant_id, item.drift.problem, item.drift.label) for item in dry.items] == [
            (acme.pk, "missing", "gsc of bob"),
            (bravo.pk, "missing", "bing of bea"),
        ]
        assert monitoring(acme) == monitoring(bravo) == []
        assert run(reason="found at 3 am").counts["created"] == 2
        assert [job.platform for job in monitoring(acme) + monitoring(bravo)] == ["gsc", "bing"]
        assert run().items == ()
        with all_tenants_scope():
            entry = AuditEntry.objects.get(action="reconcile.platform_jobs", tenant=acme)
            assert (entry.actor, entry.reason, entry.object_type) == ("olga", "found at 3 am", "connection")
            assert entry.object_id == str(connected["acme"].pk)

    def test_one_tenant_alone_and_none_that_is_suspended(self, connected: Any, acme: Any, bravo: Any) -> None:
        with all_tenants_scope():
            Tenant.objects.filter(pk=bravo.pk).update(status="suspended")
        assert [item.drift.tenant_id for item in run(dry_run=True).items] == [acme.pk]
        assert run(tenant=acme).counts["created"] == 1
        assert monitoring(bravo) == []

    def test_connections_by_number(self, connected: Any, acme: Any) -> None:
        other = connect(acme, "ann")
        assert run(tenant=acme, object_ids=[other.pk]).counts["created"] == 1
        assert [job.user_id for job in monitoring(acme)] == ["ann"]

    def test_what_is_connected_again_is_resumed(self, connected: Any, acme: Any) -> None:
        run(tenant=acme)
        connection_delete(tenant=acme, user_id="bob", platform="gsc", actor="tests")
        assert run(tenant=acme).items == ()
        connect(acme, "bob")
        report = run(tenant=acme)
        assert [(item.drift.problem, item.result) for item in report.items] == [("still_paused", "repaired")]
        assert [job.switch for job in monitoring(acme)] == ["active"]

    def test_what_the_plan_refuses_fails_alone(self, connected: Any, acme: Any, bravo: Any) -> None:
        with all_tenants_scope():
            type(acme.plan).objects.filter(pk=acme.plan.pk).update(allowed_tasks=["bing_insights"])
        report = run()
        assert {item.drift.label: item.result for item in report.items} == {
            "gsc of bob": "failed",
            "bing of bea": "created",
        }
        assert report.items[0].detail == "Your plan does not include this task."
        with all_tenants_scope():
            assert not AuditEntry.objects.filter(action="job.create", tenant=acme).exists()

    def test_a_platform_that_is_no_longer_offered_is_no_drift(self, connected: Any, acme: Any) -> None:
        with tenant_scope(acme):
            Connection.objects.filter(pk=connected["acme"].pk).update(platform="myspace")
        assert run(tenant=acme).items == ()
        assert user_reconcile(tenant=acme, user_id="bob", actor="tests").connected == []

    def test_ids_in_any_form_are_one_user(self, db: None, acme: Any) -> None:
        with tenant_scope(acme):
            Connection.objects.create(platform="gsc", legacy_user_id=7)
            Connection.objects.create(platform="bing", user_id="7")
        assert run(tenant=acme).counts["created"] == 2
        with tenant_scope(acme):
            Job.objects.filter(platform="bing").update(user_id=None)
        assert run(tenant=acme).items == ()


class TestOffers:
    def test_by_post_for_the_asking_tenant(self, connected: Any, acme: Any, bravo: Any, cast: Any) -> None:
        client = MemberClient(cast.ann)
        dry = client.send("POST", "reconcile/platform_jobs", {"dry_run": True})
        assert (dry.status_code, dry.json()["found"], monitoring(acme)) == (200, 1, [])
        done = client.send("POST", "reconcile/platform_jobs", {"reason": "after the move"})
        assert (done.status_code, done.json()["created"]) == (200, 1)
        [item] = done.json()["items"]
        assert (item["object_type"], item["object_id"]) == ("connection", connected["acme"].pk)
        assert item["name"] == "gsc of bob"
        assert monitoring(bravo) == []

    def test_by_command(self, connected: Any, acme: Any, bravo: Any) -> None:
        out = StringIO()
        call_command("reconcile", "--only", "platform_jobs", "--tenant", "acme", "--dry-run", stdout=out)
        assert "gsc of bob" in out.getvalue()
        assert "bea" not in out.getvalue()
        out = StringIO()
        call_command("reconcile", "--only", "platform_jobs", "--reason", "runbook", "--json", stdout=out)
        assert json.loads(out.getvalue())["created"] == 2

    def test_in_the_admin(self, connected: Any, acme: Any) -> None:
        User.objects.create_superuser("olga", password="x")
        browser = Client(headers={"Host": "localhost"})
        browser.force_login(
            User.objects.get(username="olga"), backend="django.contrib.auth.backends.ModelBackend"
        )
        looked = browser.get("/admin/reconcile/", {"kind": "platform_jobs"})
        assert looked.status_code == 200
        assert b"gsc of bob" in looked.content
        assert b"gsc_insights" in looked.content
        assert monitoring(acme) == []
        body = {"kind": "platform_jobs", "tenant": "acme", "reason": "runbook 9"}
        done = browser.post("/admin/reconcile/", body)
        assert done.context["report"].counts["created"] == 1
        assert len(monitoring(acme)) == 1
