"""Every service that a person's name is given to leaves it in the audit trail, with before and after and no secret.

The list is held to the code: whatever takes an `actor` is looked for in all modules, and has to be in it.
"""

from __future__ import annotations

import importlib
import inspect
import json
import pkgutil
from collections.abc import Callable
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import DatabaseError, connection

import apps
from apps.executions.importing.run import execution_logs_import
from apps.executions.models import Execution
from apps.jobs import retries, runs, services
from apps.jobs.backfill import job_backfill
from apps.jobs.calendars import services as calendars
from apps.jobs.imports import crontab_import
from apps.jobs.models import Cursor, Job
from apps.jobs.platforms import services as platforms
from apps.jobs.specs import JobSpec, TriggerSpec
from apps.leadership.models import SchedulerEvent
from apps.leadership.services import step_down_request
from apps.operations import break_glass as glass
from apps.operations import runbooks
from apps.operations.event_logs import event_logs_cleanup
from apps.operations.gates.evidence import evidence_record
from apps.operations.gates.record import write
from apps.operations.lifecycle import export
from apps.operations.lifecycle.deletion import tenant_delete
from apps.operations.notifications import channels
from apps.operations.services import reconcile, run_failed
from apps.operations.user_ids.backfill import user_ids_backfill
from apps.tenants import oncall
from apps.tenants import services as people
from apps.tenants.authentication import Member
from apps.tenants.context import all_tenants_scope, tenant_scope
from apps.tenants.models import AuditEntry, Plan, Role, User, UserIdentity
from apps.vault import rotation
from apps.vault import services as vault
from tests.contract.rows import lead
from tests.factories import MembershipFactory, make_job
from tests.gates import result

ACTOR = "mallory (for the test)"
CANARY = "canary-c0ffee"
SECRET = {
    "url": f"https://example.com/{CANARY}-path?token={CANARY}-query",
    "headers": {"X-Token": f"{CANARY}-header"},
    "json": {"password": f"{CANARY}-body"},
}
ADDRESS = f"https://user:{CANARY}@shop.example/page?key={CANARY}#{CANARY}"


def a_job(tenant: Any, **fields: Any) -> Job:
    made: Job = make_job(
        tenant,
        **{"target": "http_request", "payload": SECRET, "website_url": ADDRESS, "user_id": "bob", **fields},
    )
    return made


def an_execution(tenant: Any) -> Execution:
    job = a_job(tenant)
    execution_id = services.job_trigger(tenant=tenant, job_id=job.id, actor="setting up")
    with tenant_scope(tenant):
        return Execution.objects.get(id=execution_id)


# -- a deed of each service, which makes what it needs and then does it as ACTOR ---------------------------------------


def create(tenant: Any, **_: Any) -> None:
    trigger = TriggerSpec.cron("*/5 * * * *")
    spec = JobSpec(name="a", trigger=trigger, payload=SECRET, website_url=ADDRESS)
    services.job_create(tenant=tenant, spec=spec, actor=ACTOR)


def update(tenant: Any, **_: Any) -> None:
    job, other = a_job(tenant), {"url": "https://example.com/", "json": {"password": f"{CANARY}-new"}}
    changes = {"name": "b", "payload": other, "website_url": ADDRESS + "2", "priority": 5}
    services.job_update(tenant=tenant, job_id=job.id, changes=changes, actor=ACTOR)


def of_a_job(service: Callable[..., Any], *first: Callable[..., Any]) -> Callable[..., None]:
    def deed(tenant: Any, **_: Any) -> None:
        job = a_job(tenant)
        for each in first:
            each(tenant=tenant, job_id=job.id, actor="setting up")
        service(tenant=tenant, job_id=job.id, actor=ACTOR)

    return deed


def backfill(tenant: Any, **_: Any) -> None:
    job = a_job(tenant)
    until = datetime.now(UTC) - timedelta(hours=1)
    job_backfill(tenant=tenant, job_id=job.id, start=until - timedelta(hours=1), until=until, actor=ACTOR)


def crontab(tenant: Any, **_: Any) -> None:
    with tenant_scope(tenant):
        vault.endpoint_put(url=SECRET["url"], signing_secrets=[vault.new_signing_secret()])
    crontab_import(tenant=tenant, text=f"WORD={CANARY}\n*/5 * * * * /bin/true%{CANARY}\n", actor=ACTOR)


def cancel(tenant: Any, **_: Any) -> None:
    runs.run_cancel(tenant=tenant, execution=an_execution(tenant), actor=ACTOR, by="bob")


def retry(tenant: Any, **_: Any) -> None:
    run = an_execution(tenant)
    runs.run_cancel(tenant=tenant, execution=run, actor="setting up", by="bob")
    done = retries.runs_retry(tenant=tenant, execution_ids=[run.id], owner=None, actor=ACTOR)
    assert list(done.made) == [run.id]


CONNECTION = {"platform": "wordpress", "label": "shop", "settings": {"site": f"{CANARY}-setting"}}


def connect(tenant: Any, actor: str = ACTOR, **_: Any) -> None:
    given = {**CONNECTION, "platform": next(iter(platforms.registry.names()))}
    platforms.connection_put(
        tenant=tenant, user_id="bob", credentials={"token": f"{CANARY}-token"}, actor=actor, **given
    )


def connected(service: Callable[..., Any], *names: str) -> Callable[..., None]:
    def deed(tenant: Any, **_: Any) -> None:
        connect(tenant, actor="setting up")
        platform = {"platform": next(iter(platforms.registry.names()))} if names else {}
        service(tenant=tenant, user_id="bob", actor=ACTOR, **platform)

    return deed


def endpoint(tenant: Any, **_: Any) -> None:
    first = "whsec_" + "Q0FOQVJZ" * 4
    vault.tenant_endpoint_set(tenant=tenant, url=SECRET["url"], secret=first, actor="setting up")
    vault.tenant_endpoint_set(tenant=tenant, url=SECRET["url"] + "2", secret=first.lower(), actor=ACTOR)


def rotate(tenant: Any, settings: Any, **_: Any) -> None:
    a_job(tenant)
    settings.VAULT_KEYS = ["another key", *settings.VAULT_KEYS]
    list(rotation.rotate_all(tenant=tenant, actor=ACTOR))


def import_logs(tenant: Any, tmp_path: Path, **_: Any) -> None:
    line = {
        "id": 1,
        "executed_at": "2026-01-01T00:00:00Z",
        "status": "success",
        "error": CANARY,
        "user_id": 7,
    }
    file = tmp_path / "export.jsonl"
    file.write_text(json.dumps(line) + "\n")
    execution_logs_import(
        tenant=tenant, path=file, file_format="jsonl", rejects=tmp_path / "rejects", actor=ACTOR
    )


def clean_up(tenant: Any, **_: Any) -> None:
    a_job(tenant)
    event_logs_cleanup(tenant=tenant, older_than_days=0, dry_run=False, actor=ACTOR)


def fill_user_ids(tenant: Any, **_: Any) -> None:
    job = a_job(tenant)
    with all_tenants_scope():
        Job.objects.filter(pk=job.pk).update(user_id=None, legacy_user_id=77)
        UserIdentity.objects.create(tenant=tenant, legacy_user_id=77, user_id="user_77")
    user_ids_backfill(tenant=tenant, actor=ACTOR)


def repair(tenant: Any, **_: Any) -> None:
    job = a_job(tenant)
    with all_tenants_scope():
        Cursor.objects.filter(job=job).delete()
    reconcile(kinds=["cursors"], tenant=tenant, dry_run=False, reason="it was lost", actor=ACTOR)


def repair_failed(tenant: Any, **_: Any) -> None:
    error = DatabaseError(f"a row with {CANARY}")
    run_failed(kinds=["cursors"], tenant=tenant, reason="by the clock", actor=ACTOR, error=error)


def found_tenant(**_: Any) -> None:
    people.tenant_create(schema_name="audited", name="Audited", actor=ACTOR)


def ask_for_deletion(tenant: Any, **_: Any) -> None:
    oncall.tenant_suspend(tenant=tenant, reason="setting up", actor="setting up")
    oncall.tenant_deletion_request(
        tenant=tenant, short_name=tenant.schema_name, reason="left us", delay=timedelta(days=1), actor=ACTOR
    )


def keep_after_all(tenant: Any, **_: Any) -> None:
    ask_for_deletion(tenant)
    oncall.tenant_deletion_cancel(tenant=tenant, reason="came back", actor=ACTOR)


def delete_all_of_it(**_: Any) -> None:
    tenant = people.tenant_create(schema_name="goner", name="Goner", actor="setting up")
    oncall.tenant_suspend(tenant=tenant, reason="setting up", actor="setting up")
    oncall.tenant_deletion_request(
        tenant=tenant, short_name="goner", reason="left us", delay=timedelta(0), actor="setting up"
    )
    tenant_delete(tenant=tenant, reason="left us", actor=ACTOR)


def export_all_of_it(tenant: Any, tmp_path: Path, monkeypatch: Any, **_: Any) -> None:
    a_job(tenant)
    monkeypatch.setattr(export, "_snapshot", nullcontext)  # the test is a transaction itself
    export.tenant_export(tenant=tenant, out=tmp_path / "out", reason="they asked", actor=ACTOR)


def of_the_tenant(service: Callable[..., Any], **given: Any) -> Callable[..., None]:
    def deed(tenant: Any, **_: Any) -> None:
        if service is oncall.tenant_resume:
            oncall.tenant_suspend(tenant=tenant, reason="setting up", actor="setting up")
        service(tenant=tenant, actor=ACTOR, **given)

    return deed


def change_plan(plan: Any, **_: Any) -> None:
    oncall.plan_update(plan=plan, changes={"max_jobs": plan.max_jobs + 1}, actor=ACTOR)


def join(tenant: Any, **_: Any) -> None:
    people.member_create(
        tenant=tenant, username="zoe", role="member", password=f"{CANARY}-password", actor=ACTOR
    )


def of_a_member(service: Callable[..., Any], **given: Any) -> Callable[..., None]:
    def deed(tenant: Any, **_: Any) -> None:
        service(membership=MembershipFactory(tenant=tenant, username="zoe"), actor=ACTOR, **given)

    return deed


def of_a_calendar(service: Callable[..., Any], **given: Any) -> Callable[..., None]:
    def deed(tenant: Any, **_: Any) -> None:
        made = calendars.calendar_create(tenant=tenant, name="Holidays", actor="setting up")
        service(tenant=tenant, calendar_id=made.pk, actor=ACTOR, **given)

    return deed


HOOK = {"name": "hook", "address": SECRET["url"], "events": ["failure"]}


def of_a_channel(service: Callable[..., Any], **given: Any) -> Callable[..., None]:
    def deed(tenant: Any, texts: list[str], **_: Any) -> None:
        made, secret = channels.channel_create(tenant=tenant, kind="webhook", fields=HOOK, actor="setting up")
        texts.append(str(secret))
        service(tenant=tenant, channel_id=made.pk, actor=ACTOR, **given)

    return deed


def of_a_key(service: Callable[..., Any], **given: Any) -> Callable[..., None]:
    def deed(tenant: Any, texts: list[str], **_: Any) -> None:
        member = MembershipFactory(tenant=tenant, username="zoe")
        key, text = people.api_key_create(membership=member, name="k", actor="setting up")
        texts.append(text)
        made = service(key=key, actor=ACTOR, **given)
        texts.extend([made[1]] if made else [])

    return deed


def invite(tenant: Any, texts: list[str], **_: Any) -> Any:
    owner = MembershipFactory(tenant=tenant, username="zoe", role="owner")
    by = Member(owner, tenant, Role.OWNER, ACTOR)
    made, token = people.invitation_create(
        tenant=tenant, email="dan@example.com", role="member", actor=ACTOR, by=by
    )
    texts.extend([str(token), token.secret, token.secret_hash])
    return made


def uninvite(tenant: Any, texts: list[str], **_: Any) -> None:
    people.invitation_revoke(invitation=invite(tenant, texts), actor=ACTOR)


def new_key(tenant: Any, texts: list[str], **_: Any) -> None:
    member = MembershipFactory(tenant=tenant, username="zoe")
    texts.append(people.api_key_create(membership=member, name="k", actor=ACTOR)[1])


def record_evidence(tmp_path: Path, **_: Any) -> None:
    evidence_record(path=write(tmp_path, result("A", "f" * 40)), actor=ACTOR)


def acknowledge(**_: Any) -> None:
    document = runbooks.documents()[0]
    runbooks.acknowledge(slug=document.slug, sha256=document.sha256, actor=ACTOR)


def step_down(tenant: Any, **_: Any) -> None:
    lead()
    step_down_request(reason="a new kernel", actor=ACTOR)


def _break(tenant: Any, actor: str) -> Any:
    olga = User.objects.create_superuser("olga", password="correct horse battery")
    run = an_execution(tenant)
    return (
        olga,
        run,
        glass.break_glass(tenant=tenant, account=olga, execution_id=run.id, reason="x", actor=actor),
    )


def break_glass(tenant: Any, **_: Any) -> None:
    _break(tenant, ACTOR)


def look(tenant: Any, **_: Any) -> None:
    olga, run, _grant = _break(tenant, "setting up")
    assert CANARY in str(glass.disclose(execution=run, account=olga, actor=ACTOR).payload)


def mend_glass(tenant: Any, **_: Any) -> None:
    olga, _run, grant = _break(tenant, "setting up")
    assert glass.break_glass_end(access_id=grant.pk, account=olga, actor=ACTOR) is not None


JOB, PEOPLE = "apps.jobs.services.", "apps.tenants.services."
PLATFORMS = "apps.jobs.platforms.services."
CALENDARS = "apps.jobs.calendars.services."
CHANNELS = "apps.operations.notifications.channels."
DEEDS: dict[str, Callable[..., None]] = {
    JOB + "job_create": create,
    JOB + "job_update": update,
    JOB + "job_pause": of_a_job(services.job_pause),
    JOB + "job_resume": of_a_job(services.job_resume, services.job_pause),
    JOB + "job_delete": of_a_job(services.job_delete),
    JOB + "job_trigger": of_a_job(services.job_trigger),
    "apps.jobs.backfill.job_backfill": backfill,
    "apps.jobs.imports.crontab_import": crontab,
    "apps.jobs.runs.job_run_now": of_a_job(runs.job_run_now),
    "apps.jobs.runs.run_cancel": cancel,
    "apps.jobs.retries.runs_retry": retry,
    CALENDARS + "calendar_create": of_the_tenant(calendars.calendar_create, name="Holidays"),
    CALENDARS + "calendar_update": of_a_calendar(calendars.calendar_update, changes={"name": "Closed"}),
    CALENDARS + "calendar_delete": of_a_calendar(calendars.calendar_delete),
    CHANNELS + "channel_create": of_the_tenant(channels.channel_create, kind="webhook", fields=HOOK),
    CHANNELS + "channel_update": of_a_channel(
        channels.channel_update, changes={"address": SECRET["url"] + "2"}
    ),
    CHANNELS + "channel_delete": of_a_channel(channels.channel_delete),
    CHANNELS + "channel_test": of_a_channel(channels.channel_test),
    PLATFORMS + "connection_put": connect,
    PLATFORMS + "connection_delete": connected(platforms.connection_delete, "platform"),
    PLATFORMS + "job_ensure": connected(platforms.job_ensure, "platform"),
    PLATFORMS + "user_reconcile": connected(platforms.user_reconcile),
    "apps.vault.services.tenant_endpoint_set": endpoint,
    "apps.vault.services.tenant_secret_set": of_the_tenant(
        vault.tenant_secret_set, name="partner", value=f"{CANARY}-secret"
    ),
    "apps.vault.rotation.rotate_all": rotate,
    "apps.vault.rotation.tenant_rotate": rotate,
    "apps.executions.importing.run.execution_logs_import": import_logs,
    "apps.operations.event_logs.event_logs_cleanup": clean_up,
    "apps.operations.user_ids.backfill.user_ids_backfill": fill_user_ids,
    "apps.operations.services.reconcile": repair,
    "apps.operations.services.run_failed": repair_failed,
    "apps.operations.break_glass.break_glass": break_glass,
    "apps.operations.break_glass.break_glass_end": mend_glass,
    "apps.operations.break_glass.disclose": look,
    "apps.operations.gates.evidence.evidence_record": record_evidence,
    "apps.operations.runbooks.acknowledge": acknowledge,
    "apps.leadership.services.step_down_request": step_down,
    "apps.tenants.oncall.tenant_suspend": of_the_tenant(oncall.tenant_suspend, reason="unpaid"),
    "apps.tenants.oncall.tenant_resume": of_the_tenant(oncall.tenant_resume, reason="paid"),
    "apps.tenants.oncall.tenant_deletion_request": ask_for_deletion,
    "apps.tenants.oncall.tenant_deletion_cancel": keep_after_all,
    "apps.operations.lifecycle.deletion.tenant_delete": delete_all_of_it,
    "apps.operations.lifecycle.export.tenant_export": export_all_of_it,
    "apps.tenants.oncall.tenant_update": of_the_tenant(oncall.tenant_update, changes={"name": "Acme & Sons"}),
    "apps.tenants.oncall.plan_update": change_plan,
    PEOPLE + "customers.tenant_create": found_tenant,
    PEOPLE + "members.member_create": join,
    PEOPLE + "members.member_role_set": of_a_member(people.member_role_set, role="viewer"),
    PEOPLE + "members.member_remove": of_a_member(people.member_remove),
    PEOPLE + "invitations.invitation_create": invite,
    PEOPLE + "invitations.invitation_revoke": uninvite,
    PEOPLE + "keys.api_key_create": new_key,
    PEOPLE + "keys.api_key_rotate": of_a_key(people.api_key_rotate, overlap=timedelta(hours=1)),
    PEOPLE + "keys.api_key_revoke": of_a_key(people.api_key_revoke),
}
# Changes nothing: its entry says what was looked at.
LOOKS = {"apps.operations.break_glass.disclose"}
# Many rows in one go: their entries say how many, and where rows were repaired, what was found and what was wanted.
IN_BULK = {
    "apps.executions.importing.run.execution_logs_import",
    "apps.operations.event_logs.event_logs_cleanup",
    "apps.operations.user_ids.backfill.user_ids_backfill",
    "apps.operations.services.reconcile",
    "apps.operations.services.run_failed",
    "apps.operations.lifecycle.export.tenant_export",
    "apps.vault.rotation.rotate_all",
    "apps.vault.rotation.tenant_rotate",
    PLATFORMS + "user_reconcile",
    "apps.jobs.retries.runs_retry",
}
TRAIL = {"apps.jobs.announcements.announce", "apps.tenants.services.trail.audit"}  # what writes the entries


def writing_services() -> set[str]:
    found = set()
    for info in pkgutil.walk_packages(apps.__path__, "apps."):
        if ".migrations" in info.name:
            continue
        for name, item in vars(importlib.import_module(info.name)).items():
            own = inspect.isfunction(item) and item.__module__ == info.name and not name.startswith("_")
            if own and "actor" in inspect.signature(item).parameters:
                found.add(f"{info.name}.{name}")
    return found - TRAIL


def test_the_list_has_every_service_that_takes_an_actor() -> None:
    assert writing_services() == set(DEEDS)


def _everything(model: Any) -> str:
    """Every column of every row, as the database has it."""
    with all_tenants_scope(), connection.cursor() as cursor:
        cursor.execute(f"SELECT coalesce(string_agg(t::text, E'\\n'), '') FROM \"{model._meta.db_table}\" t")
        return str(cursor.fetchone()[0])


def _has_both_sides(data: Any) -> bool:
    """`before` and `after` of the whole, or of each field."""
    if "before" in data and "after" in data:
        return data["before"] != data["after"] or data["before"] == {}
    return any(isinstance(value, dict) and {"before", "after"} <= set(value) for value in data.values())


@pytest.mark.parametrize("name", sorted(DEEDS))
def test_it_leaves_its_actor_and_what_changed_and_no_secret(
    db: None, acme: Any, plan: Plan, settings: Any, tmp_path: Path, monkeypatch: Any, name: str
) -> None:
    texts: list[str] = []
    DEEDS[name](
        tenant=acme, plan=plan, settings=settings, tmp_path=tmp_path, monkeypatch=monkeypatch, texts=texts
    )
    with all_tenants_scope():
        entries = list(AuditEntry.objects.filter(actor=ACTOR))
        # "": who did something to a tenant that is deleted.
        strangers = AuditEntry.objects.exclude(actor__in=[ACTOR, "setting up", "tests", ""])
        assert not strangers.exists()
    assert entries, "nothing says who did this"
    for entry in entries:
        assert entry.action
        assert entry.object_type
        if name not in IN_BULK | LOOKS:
            assert _has_both_sides(entry.data), (entry.action, entry.data)
    for model in (AuditEntry, SchedulerEvent):
        written = _everything(model)
        assert CANARY not in written
        assert "whsec_" not in written
        for text in texts:
            assert text not in written
            assert text.rpartition("_")[2] not in written


# -- what exactly is kept of a job -------------------------------------------------------------------------------------


def entry_of(action: str) -> Any:
    return AuditEntry.objects.get(action=action, actor=ACTOR).data


def test_an_edit_keeps_both_values_of_what_it_changed_and_no_content(db: None, acme: Any) -> None:
    update(acme)
    with tenant_scope(acme):
        data = entry_of("job.update")
    assert data["before"] == {"name": "a job", "priority": 0, "content_version": 1}
    assert data["after"] == {"name": "b", "priority": 5, "content_version": 2}


def test_an_address_is_kept_without_what_may_be_a_password(db: None, acme: Any) -> None:
    create(acme)
    with tenant_scope(acme):
        data = entry_of("job.create")
    assert data["before"] is None
    assert data["after"]["website_url"] == "https://shop.example/page?…"
    assert data["after"]["cron_expression"] == "*/5 * * * *"
    assert not {"payload", "headers", "json"} & set(data["after"])


def test_a_pause_and_a_new_schedule_show_where_the_job_stood(db: None, acme: Any) -> None:
    job = a_job(acme)
    services.job_pause(tenant=acme, job_id=job.id, reason="holidays", actor=ACTOR)
    services.job_resume(tenant=acme, job_id=job.id, actor=ACTOR)
    changes = {"cron_expression": "0 4 * * *"}
    services.job_update(tenant=acme, job_id=job.id, changes=changes, actor=ACTOR)
    with tenant_scope(acme):
        paused, resumed, moved = (entry_of(f"job.{verb}") for verb in ("pause", "resume", "update"))
    assert (paused["before"]["switch"], paused["after"]["switch"]) == ("active", "paused")
    assert paused["after"]["pause_reason"] == "holidays"
    assert paused["before"]["next_run_at"]
    assert paused["after"]["next_run_at"] is None
    assert (resumed["before"]["switch"], resumed["after"]["switch"]) == ("paused", "active")
    assert moved["after"]["cron_expression"] == "0 4 * * *"
    assert moved["before"]["next_run_at"] != moved["after"]["next_run_at"]


def test_the_trail_cannot_be_changed(db: None, acme: Any) -> None:
    create(acme)
    with tenant_scope(acme):
        assert AuditEntry.objects.filter(actor=ACTOR).update(actor="nobody") == 0
        assert AuditEntry.objects.filter(actor=ACTOR).delete()[0] == 0
        assert AuditEntry.objects.filter(actor=ACTOR).exists()
