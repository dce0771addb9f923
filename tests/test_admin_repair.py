"""Retry, cancel, step down and break-glass in the operators' admin: each asks why, and each leaves a record."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.db.models.functions import Now
from django.test import Client
from django.urls import reverse

from apps.executions.models import Execution, ExecutionLog, ExecutionOutput
from apps.jobs.models import Job
from apps.leadership.models import LeaderTerm
from apps.operations import break_glass
from apps.operations.models import BreakGlass
from apps.tenants.context import all_tenants_scope, tenant_scope
from apps.tenants.models import AuditEntry, User
from apps.tenants.services import NotAllowed
from tests.admin_rows import PUBLIC, page
from tests.contract.rows import lead
from tests.test_admin_actions import act, audited

pytestmark = pytest.mark.django_db
WHY = {"confirmed": "1", "reason": "ticket 7"}
SECRET = "what the customer's endpoint said"


def address(row: Any, name: str) -> str:
    return f"{page(type(row), 'change', row.pk).removesuffix('change/')}{name}/"


def retries_of(log: ExecutionLog) -> int:
    with all_tenants_scope():
        return Execution.objects.filter(retry_of=log.pk).count()


# -- run again ---------------------------------------------------------------------------------------------------------


def test_one_execution_is_run_again_from_its_page(browser: Client, rows: Any) -> None:
    log = rows["acme"][ExecutionLog]
    asked = browser.get(address(log, "retry"))
    assert (asked.status_code, retries_of(log)) == (200, 0)
    assert browser.post(address(log, "retry"), {"confirmed": "1", "reason": " "}).status_code == 200
    assert retries_of(log) == 0
    done = browser.post(address(log, "retry"), WHY)
    assert (done.status_code, done["Location"]) == (302, page(ExecutionLog, "change", log.pk))
    assert retries_of(log) == 1
    assert audited("execution.retry") == [("acme", "olga (operator)", "ticket 7")]


def test_selected_ones_are_run_again_each_in_its_tenant(browser: Client, rows: Any) -> None:
    logs = [rows[name][ExecutionLog] for name in ("acme", "bravo")]
    act(browser, ExecutionLog, "retry", *logs)
    assert [retries_of(log) for log in logs] == [0, 0]
    act(browser, ExecutionLog, "retry", *logs, **WHY)
    assert [retries_of(log) for log in logs] == [1, 1]
    assert sorted(audited("execution.retry")) == [
        (n, "olga (operator)", "ticket 7") for n in ("acme", "bravo")
    ]


def test_what_cannot_run_again_says_so(browser: Client, rows: Any) -> None:
    log = rows["acme"][ExecutionLog]
    with all_tenants_scope():
        Job.objects.filter(pk=log.job_id).update(deleted_at=Now())
    done = browser.post(address(log, "retry"), WHY, follow=True)
    assert "The job of this execution has been deleted." in done.content.decode()
    assert retries_of(log) == 0


def test_failures_are_looked_for_and_run_again_by_filter(browser: Client, rows: Any, acme: Any) -> None:
    log = rows["acme"][ExecutionLog]
    url = reverse("admin:retry_failures", PUBLIC)
    led = browser.get(f"{page(ExecutionLog)}retry-failures/", {"tenant__id__exact": acme.pk})
    assert led["Location"] == f"{url}?tenant=acme"
    assert "found" not in browser.get(url).context
    found = browser.get(led["Location"])
    assert (found.context["found"], retries_of(log)) == (1, 0)
    asked = {"tenant": "acme", "job": "", "since": "", "until": ""}
    assert browser.post(url, {**asked, "reason": "x"}).context["form"].errors
    asked = {name: found.context["form"][name].value() for name in ("tenant", "since", "until")}
    assert browser.post(url, {**asked, "reason": ""}).context["found"] == 1
    done = browser.post(url, {**asked, "reason": "ticket 7"})
    assert len(done.context["done"].made) == 1
    assert (retries_of(log), retries_of(rows["bravo"][ExecutionLog])) == (1, 0)
    assert browser.get(led["Location"]).context["found"] == 0, "nobody gets two retries of one failure"


def test_no_action_takes_the_whole_ledger(browser: Client, rows: Any) -> None:
    with all_tenants_scope(), connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO executions_executionlog SELECT (jsonb_populate_record(log, jsonb_build_object('id',"
            " log.id + 1000 + n))).* FROM executions_executionlog AS log, generate_series(1, 250) AS n"
            " WHERE log.id = %s",
            [rows["acme"][ExecutionLog].pk],
        )
    body = {"action": "retry", "select_across": "1", "_selected_action": [1], **WHY}
    shown = browser.post(page(ExecutionLog), body, follow=True)
    assert "Select up to 200 rows at once." in shown.content.decode()
    assert audited("execution.retry") == []


# -- cancel, step down -------------------------------------------------------------------------------------------------


def test_live_executions_are_cancelled(browser: Client, rows: Any) -> None:
    ours, other = (rows[name][Execution] for name in ("acme", "bravo"))
    assert browser.get(address(ours, "cancel")).status_code == 200
    done = browser.post(address(ours, "cancel"), WHY)
    assert (done.status_code, done["Location"]) == (302, page(Execution))
    with all_tenants_scope():
        assert list(Execution.objects.values_list("pk", flat=True)) == [other.pk]
        log = ExecutionLog.objects.get(pk=ours.pk)
    assert (log.status, log.error_message) == ("failed", "Cancelled by olga (operator).")
    assert audited("execution.cancel") == [("acme", "olga (operator)", "ticket 7")]
    assert browser.get(address(ours, "cancel")).status_code == 404
    act(browser, Execution, "cancel", other, **WHY)
    with all_tenants_scope():
        assert not Execution.objects.exists()


def test_a_tenants_jobs_are_paused_from_its_page(browser: Client, rows: Any, acme: Any) -> None:
    assert browser.post(address(acme, "suspend"), WHY).status_code == 302
    assert audited("tenant.suspend") == [("acme", "olga (operator)", "ticket 7")]
    assert browser.post(address(acme, "resume"), WHY).status_code == 302
    assert audited("tenant.resume") == [("acme", "olga (operator)", "ticket 7")]


def test_the_leader_is_asked_to_step_down(browser: Client) -> None:
    url = f"{page(LeaderTerm)}step-down/"
    assert "Nobody leads" in browser.get(url, follow=True).content.decode()
    term = lead()
    assert browser.get(url).status_code == 200
    assert browser.post(url, {"confirmed": "1", "reason": ""}).status_code == 200
    assert LeaderTerm.objects.get(pk=term.pk).step_down_reason == ""
    assert browser.post(url, WHY).status_code == 302
    assert LeaderTerm.objects.get(pk=term.pk).step_down_reason == "ticket 7"
    assert audited("leadership.step_down") == [("", "olga (operator)", "ticket 7")]


# -- break-glass -------------------------------------------------------------------------------------------------------


@pytest.fixture
def logs(rows: Any) -> dict[str, ExecutionLog]:
    """An execution of each tenant that left an output."""
    found = {}
    for name, row in rows.items():
        log = found[name] = row[ExecutionLog]
        with tenant_scope(log.tenant):
            ExecutionOutput.objects.create(
                tenant=log.tenant,
                execution_id=log.pk,
                scheduled_for=log.scheduled_for,
                result={"said": SECRET},
                error_text=f"{SECRET} of {name}",
            )
    return found


def test_content_is_shown_with_a_reason_for_one_tenant_and_each_look_is_recorded(
    browser: Client, logs: Any
) -> None:
    ours = address(logs["acme"], "break-glass")
    assert SECRET not in browser.get(ours).content.decode()
    refused = browser.post(ours, {"read": "1"}, follow=True)
    assert break_glass.NO_ACCESS in refused.content.decode()
    assert browser.post(ours, {"reason": " "}).status_code == 200
    assert (audited("break_glass.grant"), audited("break_glass.read")) == ([], [])

    assert browser.post(ours, {"reason": "ticket 7"}).status_code == 302
    grant = ("acme", "olga (operator)", "ticket 7")
    assert audited("break_glass.grant") == [grant]
    opened = browser.get(ours).content.decode()
    assert "The glass is broken" in opened
    assert SECRET not in opened, "a GET leaves no record, and so shows nothing"
    shown = browser.post(ours, {"read": "1"})
    assert f"{SECRET} of acme".replace("'", "&#x27;") in shown.content.decode()
    assert "https://example.com/" in shown.content.decode(), "the payload"
    assert "no-store" in shown["Cache-Control"]
    assert audited("break_glass.read") == [grant]

    theirs = browser.post(address(logs["bravo"], "break-glass"), {"read": "1"}, follow=True)
    assert SECRET not in theirs.content.decode()
    assert break_glass.NO_ACCESS in theirs.content.decode()
    assert audited("break_glass.read") == [grant]


def test_a_live_execution_shows_its_payload(browser: Client, rows: Any) -> None:
    live = address(rows["acme"][Execution], "break-glass")
    browser.post(live, {"reason": "ticket 7"})
    assert "https://example.com/" in browser.post(live, {"read": "1"}).content.decode()


def test_the_banner_is_on_every_page_until_access_is_ended(browser: Client, logs: Any) -> None:
    browser.post(address(logs["acme"], "break-glass"), {"reason": "ticket 7"})
    for path in ("/admin/", page(Job), page(Job, "change", logs["acme"].job_id), "/admin/reconcile/"):
        assert "The glass is broken" in browser.get(path).content.decode(), path
    with all_tenants_scope():
        grant = BreakGlass.objects.latest("id")
    end = reverse("admin:break_glass_end", PUBLIC, [grant.pk])
    assert browser.get(end).status_code == 405
    assert browser.post(end).status_code == 302
    assert audited("break_glass.end") == [("acme", "olga (operator)", "")]
    assert "The glass is broken" not in browser.get("/admin/").content.decode()
    browser.post(address(logs["acme"], "break-glass"), {"read": "1"})
    browser.post(end)
    assert (len(audited("break_glass.end")), audited("break_glass.read")) == (1, [])


def test_access_is_ones_own_and_ends_by_the_clock(olga: User, logs: Any) -> None:
    log, nina = logs["acme"], User.objects.create_superuser("nina", password="correct horse battery")
    with all_tenants_scope():
        grant = break_glass.break_glass(
            tenant=log.tenant, account=olga, execution_id=log.pk, reason="x", actor="olga"
        )
        assert grant.until - grant.granted_at == timedelta(minutes=15)
        assert break_glass.disclose(execution=log, account=olga, actor="olga").result == {"said": SECRET}
        with pytest.raises(NotAllowed):
            break_glass.disclose(execution=log, account=nina, actor="nina")
        assert break_glass.break_glass_end(access_id=grant.pk, account=nina, actor="nina") is None
        BreakGlass.objects.filter(pk=grant.pk).update(until=Now())
        with pytest.raises(NotAllowed):
            break_glass.disclose(execution=log, account=olga, actor="olga")


def test_breaking_glass_takes_the_right_to(rows: Any, logs: Any) -> None:
    from django.contrib.auth.models import Permission

    nina = User.objects.create_user("nina", password="correct horse battery", is_staff=True)
    nina.user_permissions.set(Permission.objects.filter(codename__startswith="view_"))
    client = Client(headers={"Host": "localhost"})
    client.force_login(nina, backend="django.contrib.auth.backends.ModelBackend")
    log, live = logs["acme"], rows["acme"][Execution]
    assert client.get(page(ExecutionLog, "change", log.pk)).status_code == 200
    for row, name in ((log, "break-glass"), (log, "retry"), (live, "cancel"), (log.tenant, "suspend")):
        for answer in (client.get(address(row, name)), client.post(address(row, name), WHY)):
            assert answer.status_code == 403, name
    assert client.post(f"{page(LeaderTerm)}step-down/", WHY).status_code == 403
    assert client.post(reverse("admin:retry_failures", PUBLIC), {"tenant": "acme"}).status_code == 403
    with all_tenants_scope():
        assert not AuditEntry.objects.filter(actor__startswith="nina").exists()


def test_the_tenant_has_it_in_its_trail(browser: Client, logs: Any, acme: Any, bravo: Any) -> None:
    browser.post(address(logs["acme"], "break-glass"), {"reason": "ticket 7"})
    browser.post(address(logs["acme"], "break-glass"), {"read": "1"})
    seen = {}
    for tenant in (acme, bravo):
        with tenant_scope(tenant):
            seen[tenant.schema_name] = AuditEntry.objects.filter(action__startswith="break_glass").count()
            assert BreakGlass.objects.exclude(tenant=tenant).count() == 0
    assert seen == {"acme": 2, "bravo": 0}


def test_members_and_their_hosts_have_no_way_in(logs: Any, rows: Any) -> None:
    member = Client(headers={"Host": "localhost"})
    member.force_login(rows["acme"][User], backend="django.contrib.auth.backends.ModelBackend")
    answer = member.post(address(logs["bravo"], "break-glass"), {"read": "1"})
    assert answer["Location"].startswith("/admin/login/")
