"""What staff may do in the operators' admin: a few things, through services, each with a record."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from apps.executions.models import Attempt, Execution, Skip
from apps.jobs.models import Cursor, Job
from apps.tenants.context import all_tenants_scope
from apps.tenants.models import ApiKey, AuditEntry, Plan, Tenant, User
from tests.admin_rows import page
from tests.factories import key_of

pytestmark = pytest.mark.django_db


def act(client: Client, model: Any, action: str, *rows: Any, **confirmed: str) -> Any:
    body = {"action": action, "_selected_action": [row.pk for row in rows], **confirmed}
    return client.post(page(model), body)


def audited(action: str) -> list[tuple[str, str, str]]:
    with all_tenants_scope():
        entries = AuditEntry.objects.filter(action=action).order_by("id")
        return [
            (entry.tenant.schema_name if entry.tenant else "", entry.actor, entry.reason) for entry in entries
        ]


def test_a_tenant_is_suspended_with_a_reason_and_resumed(
    browser: Client, acme: Any, bravo: Any, cast: Any
) -> None:
    _, key = key_of(cast.alice)
    api = Client(headers={"Host": "acme.localhost", "Authorization": f"Bearer {key}"})
    asked = act(browser, Tenant, "suspend", acme)
    assert (asked.status_code, audited("tenant.suspend")) == (200, [])
    assert "reason" in asked.context["form"].fields
    refused = act(browser, Tenant, "suspend", acme, confirmed="1", reason=" ")
    assert (refused.status_code, audited("tenant.suspend")) == (200, [])
    assert api.get("/api/scheduler/jobs").status_code == 200

    assert act(browser, Tenant, "suspend", acme, confirmed="1", reason="unpaid").status_code == 302
    assert audited("tenant.suspend") == [("acme", "olga (operator)", "unpaid")]
    assert api.get("/api/scheduler/jobs").status_code == 403
    with all_tenants_scope():
        assert Tenant.objects.get(pk=bravo.pk).status == "active"
    act(browser, Tenant, "suspend", acme, confirmed="1", reason="twice changes nothing")
    assert len(audited("tenant.suspend")) == 1

    act(browser, Tenant, "resume", acme, confirmed="1", reason="paid")
    assert audited("tenant.resume") == [("acme", "olga (operator)", "paid")]
    assert api.get("/api/scheduler/jobs").status_code == 200


def test_a_key_is_revoked_and_never_shown(browser: Client, acme: Any, cast: Any) -> None:
    key, text = key_of(cast.alice)
    api = Client(headers={"Host": "acme.localhost", "Authorization": f"Bearer {text}"})
    assert api.get("/api/scheduler/jobs").status_code == 200
    for path in (page(ApiKey), page(ApiKey, "change", key.pk)):
        shown = browser.get(path).content.decode()
        assert key.prefix in shown
        assert text not in shown
        assert key.secret_hash not in shown
    act(browser, ApiKey, "revoke", key, confirmed="1", reason="leaked")
    assert audited("api_key.revoke") == [("acme", "olga (operator)", "leaked")]
    assert api.get("/api/scheduler/jobs").status_code == 401


def test_the_lease_token_is_not_shown(browser: Client, rows: Any) -> None:
    for model in (Execution, Attempt):
        row = rows["acme"][model]
        assert str(row.lease_token) not in browser.get(page(model, "change", row.pk)).content.decode()


def test_a_tenants_plan_is_changed_by_service(browser: Client, acme: Any) -> None:
    with all_tenants_scope():
        other = Plan.objects.create(name="bigger", max_jobs=5)
    form = {"name": "Acme Ltd", "plan": other.pk, "domains-TOTAL_FORMS": 0, "domains-INITIAL_FORMS": 0}
    form["schema_name"] = form["status"] = "suspended"  # not fields of this form
    assert browser.post(page(Tenant, "change", acme.pk), form).status_code == 302
    with all_tenants_scope():
        saved = Tenant.objects.get(pk=acme.pk)
        assert (saved.schema_name, saved.name, saved.plan_id, saved.status) == (
            "acme",
            "Acme Ltd",
            other.pk,
            "active",
        )
        entry = AuditEntry.objects.get(action="tenant.update")
    assert (entry.tenant_id, entry.actor) == (acme.pk, "olga (operator)")
    assert entry.data["plan"] == {"before": "tests", "after": "bigger"}


def test_a_plan_is_made_and_changed_by_service(browser: Client) -> None:
    form = {
        "name": "tiny",
        "max_jobs": 3,
        "min_interval_seconds": 60,
        "max_timeout_seconds": 60,
        "retention_days": 1,
        "requests_per_minute": 0,
        "max_concurrency": 5,
        "executions_per_minute": 0,
        "executions_per_day": 100,
        "allowed_tasks": "http_request,http_check",
    }
    assert browser.post(page(Plan, "add"), form).status_code == 302
    with all_tenants_scope():
        tiny = Plan.objects.get(name="tiny")
    assert tiny.allowed_tasks == ["http_request", "http_check"]
    assert audited("admin.add") == [("", "olga (operator)", "")]
    assert browser.post(page(Plan, "change", tiny.pk), {**form, "max_jobs": 9}).status_code == 302
    with all_tenants_scope():
        assert Plan.objects.get(pk=tiny.pk).max_jobs == 9
        assert AuditEntry.objects.get(action="plan.update").data == {"max_jobs": {"before": 3, "after": 9}}
    assert browser.post(page(Plan, "change", tiny.pk), {**form, "min_interval_seconds": 0}).status_code == 200


def test_an_account_made_by_hand_is_audited_without_its_password(browser: Client) -> None:
    password = "a very long passphrase"
    form = {"username": "nina", "password1": password, "password2": password, "usable_password": "true"}
    assert browser.post(page(User, "add"), form).status_code == 302
    with all_tenants_scope():
        entry = AuditEntry.objects.get(action="admin.add")
    assert (entry.object_type, entry.actor) == ("user", "olga (operator)")
    assert password not in str(entry.data)


# -- repair ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def stuck(rows: Any) -> dict[str, Job]:
    """A job of each tenant that lost its next run."""
    jobs = {name: row[Job] for name, row in rows.items()}
    with all_tenants_scope():
        Skip.objects.all().delete()
        Execution.objects.all().delete()
        Cursor.objects.filter(job__in=jobs.values()).update(next_run_at=None)
    return jobs


def next_run(job: Job) -> Any:
    with all_tenants_scope():
        return Cursor.objects.get(job=job).next_run_at


def test_the_page_looks_first_and_repairs_with_a_reason(browser: Client, stuck: Any) -> None:
    looked = browser.get("/admin/reconcile/")
    assert looked.context["report"].counts["found"] == 2
    assert next_run(stuck["acme"]) is None
    unsaid = browser.post("/admin/reconcile/", {"kind": "cursors", "tenant": "acme", "reason": ""})
    assert unsaid.context["report"].dry_run
    assert next_run(stuck["acme"]) is None
    done = browser.post("/admin/reconcile/", {"kind": "cursors", "tenant": "acme", "reason": "runbook 7"})
    assert done.context["report"].counts["repaired"] == 1
    assert next_run(stuck["acme"]) is not None
    assert next_run(stuck["bravo"]) is None
    assert audited("reconcile.cursors") == [("acme", "olga (operator)", "runbook 7")]


def test_the_action_leads_to_the_page_with_the_selected_jobs(browser: Client, stuck: Any) -> None:
    led = act(browser, Job, "reconcile", stuck["bravo"])
    assert led.status_code == 302
    looked = browser.get(led["Location"])
    assert [item.drift.object_id for item in looked.context["report"].items] == [stuck["bravo"].id]
    body = {"kind": "cursors", "tenant": "", "jobs": str(stuck["bravo"].id), "reason": "selected"}
    assert browser.post("/admin/reconcile/", body).context["report"].counts["repaired"] == 1
    assert next_run(stuck["acme"]) is None


@pytest.mark.parametrize(
    "query", [{"tenant": "nobody"}, {"jobs": "1,x"}, {"kind": "weather"}, {"jobs": "9" * 19}]
)
def test_the_page_says_what_it_does_not_understand(query: Any, browser: Client) -> None:
    answer = browser.get("/admin/reconcile/", query)
    assert (answer.status_code, answer.context["report"]) == (200, None)
    assert answer.context["scope"].errors
