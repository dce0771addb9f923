"""The operators' admin: on its own host, for staff, over all tenants; to look at, and to do a few audited things."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.contrib import admin
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from apps.executions.models import (
    Attempt,
    Counter,
    Execution,
    ExecutionLog,
    ExecutionOutput,
    Skip,
    TenantTotals,
)
from apps.jobs.models import Cursor, Job
from apps.leadership.models import LeaderTerm, SchedulerEvent
from apps.tenants.context import all_tenants_scope
from apps.tenants.models import ApiKey, AuditEntry, Membership, Tenant, User, UserIdentity
from tests.admin_rows import AT, page

pytestmark = [pytest.mark.django_db, pytest.mark.same_on_every_postgres]
PAGES = sorted(admin.site._registry, key=lambda model: model._meta.label)
READ_ONLY = [
    *(Job, Execution, ExecutionLog, Attempt, Skip, Counter, TenantTotals, LeaderTerm, SchedulerEvent),
    *(AuditEntry, ApiKey, Membership, UserIdentity),
]


def test_outputs_and_the_vault_have_no_page() -> None:
    assert ExecutionOutput not in PAGES
    assert not [model for model in PAGES if model._meta.app_label == "vault"]
    assert Cursor not in PAGES, "a cursor is looked at with its job"


@pytest.mark.parametrize("model", PAGES, ids=lambda model: model._meta.label)
def test_every_page_opens_with_the_rows_of_two_tenants(model: Any, browser: Client, rows: Any) -> None:
    listed = browser.get(page(model))
    assert listed.status_code == 200
    ours = {row[model].pk for row in rows.values()}
    assert ours <= {row.pk for row in listed.context["cl"].result_list}
    for pk in ours:
        assert browser.get(page(model, "change", pk)).status_code == 200


@pytest.mark.parametrize("model", PAGES, ids=lambda model: model._meta.label)
def test_a_search_finds_by_number_and_by_text(model: Any, browser: Client, rows: Any) -> None:
    for term in ("7", "no such thing", "12345678901234567890", "%", "\u0000"):
        assert browser.get(page(model), {"q": term}).status_code == 200


def test_the_ledger_is_found_by_job(browser: Client, rows: Any) -> None:
    log = rows["acme"][ExecutionLog]
    for term in (str(log.job_id), "job of ac", str(log.id)):
        found = browser.get(page(ExecutionLog), {"q": term}).context["cl"].result_list
        assert [row.pk for row in found] == [log.pk]


def test_times_are_read_to_the_second(browser: Client, rows: Any) -> None:
    shown = browser.get(page(ExecutionLog)).content.decode()
    assert f"{AT:%Y-%m-%d %H:%M:%S}" in shown


def test_a_list_filters_by_tenant(browser: Client, rows: Any, acme: Any) -> None:
    found = browser.get(page(Execution), {"tenant__id__exact": acme.pk}).context["cl"].result_list
    assert {row.tenant_id for row in found} == {acme.pk}


@pytest.mark.parametrize("model", READ_ONLY, ids=lambda model: model._meta.label)
def test_rows_of_the_loop_cannot_be_edited(model: Any, browser: Client, rows: Any) -> None:
    pk = rows["acme"][model].pk
    with all_tenants_scope():
        before = list(model.objects.filter(pk=pk).values())
    for path in (page(model, "add"), page(model, "change", pk), page(model, "delete", pk)):
        assert browser.post(path, {"post": "yes"}).status_code == 403
    browser.post(page(model), {"action": "delete_selected", "_selected_action": [pk], "post": "yes"})
    with all_tenants_scope():
        assert list(model.objects.filter(pk=pk).values()) == before


def test_a_lists_queries_do_not_grow_with_its_rows(browser: Client, rows: Any, acme: Any) -> None:
    def count(model: Any) -> int:
        with CaptureQueriesContext(
            connection,
        ) as queries:
            assert browser.get(page(model)).status_code == 200
        return len(queries)

    hot = (Execution, Skip)
    before = {model: count(model) for model in hot}
    job = rows["acme"][Job]
    with all_tenants_scope():
        for n in range(1, 21):
            at = AT - timedelta(minutes=n)
            Skip.objects.create(tenant=acme, job_id=job.id, first=at, last=at, count=1, reason="misfire")
            live = Execution.objects.get(pk=rows["acme"][Execution].pk)
            live.pk, live.scheduled_for = None, at
            live.save()
    assert {model: count(model) for model in hot} == before


# -- who may come in ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("model", PAGES, ids=lambda model: model._meta.label)
def test_closed_to_strangers_and_members(model: Any, rows: Any) -> None:
    stranger = Client(headers={"Host": "localhost"})
    member = Client(headers={"Host": "localhost"})
    member.force_login(rows["acme"][User], backend="django.contrib.auth.backends.ModelBackend")
    for client in (stranger, member):
        for path in (page(model), page(model, "change", rows["acme"][model].pk)):
            answer = client.get(path)
            assert answer.status_code == 302
            assert answer["Location"].startswith("/admin/login/")


@pytest.mark.parametrize(
    "path", ["/admin/", "/admin/login/", "/admin/jobs/job/", "/admin/reconcile/", "/admin/gates/"]
)
def test_not_served_on_a_tenants_host(path: str, olga: User, acme: Any) -> None:
    client = Client(headers={"Host": "acme.localhost"})
    client.force_login(olga, backend="django.contrib.auth.backends.ModelBackend")
    assert client.get(path).status_code == 404


def test_staff_without_rights_see_no_tenant(rows: Any) -> None:
    newcomer = User.objects.create_user("nina", password="correct horse battery", is_staff=True)
    client = Client(headers={"Host": "localhost"})
    client.force_login(newcomer, backend="django.contrib.auth.backends.ModelBackend")
    home = client.get("/admin/")
    assert home.status_code == 200
    assert "acme" not in home.content.decode()
    assert client.get(page(Tenant)).status_code == 403
    assert client.get("/admin/reconcile/").status_code == 403
    assert client.post("/admin/reconcile/", {"kind": "cursors", "reason": "x"}).status_code == 403


def test_signing_in_and_being_locked_out(olga: User) -> None:
    client = Client(headers={"Host": "localhost"})
    form = {"username": "olga", "password": "correct horse battery", "next": "/admin/"}
    answer = client.post("/admin/login/", form)
    assert (answer.status_code, answer["Location"]) == (302, "/admin/")
    assert client.get("/admin/").status_code == 200
    thief = Client(headers={"Host": "localhost"}, REMOTE_ADDR="192.0.2.7")
    tries = [thief.post("/admin/login/", {**form, "password": f"guess {n}"}).status_code for n in range(11)]
    assert tries[:9] == [200] * 9
    assert tries[-1] == 429
    assert thief.post("/admin/login/", form).status_code == 429, "the right password is too late"


# -- home --------------------------------------------------------------------------------------------------------------


def test_the_overview(browser: Client, rows: Any) -> None:
    with all_tenants_scope():
        Cursor.objects.filter(job=rows["acme"][Job]).update(
            next_run_at=AT - timedelta(minutes=3), consecutive_failures=4, quarantined_at=AT
        )
    seen = browser.get("/admin/").context["overview"]
    assert [term.epoch for term in seen.replicas.open] == [rows["bravo"][LeaderTerm].pk]
    assert (seen.due, seen.late) == (1, 1)
    assert (seen.queue.running + seen.queue.expired, seen.queue.waiting) == (2, 0)
    assert sum(hour.failed for hour in seen.hours) == 14
    worst = seen.failing[0]
    assert (worst.name, worst.failed, worst.failing_jobs, worst.quarantined_jobs) == ("acme", 7, 1, 1)
    assert {tenant.name for tenant in seen.failing} == {"acme", "bravo"}


def test_the_overview_of_nothing(browser: Client) -> None:
    seen = browser.get("/admin/")
    assert seen.status_code == 200
    assert "nobody" in seen.content.decode()
    assert seen.context["overview"].failing == []
