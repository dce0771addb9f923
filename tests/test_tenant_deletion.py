"""After a deletion no row of any table mentions the tenant, nobody else lost one, and a kill half-way is made good."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from axes.models import AccessAttempt
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.contenttypes.models import ContentType
from django.core.management import CommandError, call_command
from django.db import connection

from apps.operations.lifecycle import deletion
from apps.operations.lifecycle.deletion import tenant_delete
from apps.tenants import oncall
from apps.tenants.context import all_tenants_scope, tenant_scope
from apps.tenants.models import AuditEntry, Domain, Membership, Tenant, User
from apps.tenants.services import NotAsItIs, Refused
from tests.factories import MembershipFactory, TenantFactory, make_job
from tests.isolation.raw import rows
from tests.isolation.seeds import seed
from tests.replicas import ROOT, wait_for

_TABLES = """
SELECT n.nspname, c.relname, EXISTS (
    SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'tenant_id')
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND n.nspname !~ '^(pg_|information_schema)'
ORDER BY 1, 2
"""


@pytest.fixture
def doomed(live_db: str, plan: Any) -> Any:
    """A tenant with a row in every table, one of whose people is Bravo's as well."""
    tenant = TenantFactory(schema_name="doomedco", name="canary-of-doomedco-7f3a & Sons", plan=plan)
    seed(tenant, MembershipFactory(tenant=tenant, username="dora-doomedco", role="owner"))
    with all_tenants_scope():
        AccessAttempt.objects.create(
            username="dora-doomedco", failures_since_start=1, path_info="/admin/login/"
        )
        olga = User.objects.create(username="olga", is_staff=True)
        LogEntry.objects.create(
            user=olga,
            content_type=ContentType.objects.get_for_model(Tenant),
            object_id=str(tenant.pk),
            object_repr=str(tenant),
            action_flag=CHANGE,
        )
    return tenant


@pytest.fixture
def bystander(acme: Any, live_db: str) -> Any:
    seed(acme, MembershipFactory(tenant=acme, username="alice", role="owner"))
    return acme


def mark(tenant: Any) -> None:
    oncall.tenant_suspend(tenant=tenant, reason="left us", actor="olga (operator)")
    oncall.tenant_deletion_request(
        tenant=tenant,
        short_name=tenant.schema_name,
        reason="left us",
        delay=timedelta(0),
        actor="olga (operator)",
    )


def fingerprint(tenant: Any) -> dict[str, Any]:
    """Of every table the number of the tenant's rows and a hash of what they hold."""
    found: dict[str, Any] = {}
    with tenant_scope(tenant):
        for schema, table, has_tenant in rows(_TABLES):
            if schema != tenant.schema_name and not (schema == "public" and has_tenant):
                continue
            where = f"WHERE tenant_id = {tenant.pk}" if has_tenant else ""
            texts = rows(f'SELECT t::text FROM "{schema}"."{table}" t {where} ORDER BY 1')
            digest = hashlib.sha256("\n".join(text for (text,) in texts).encode()).hexdigest()
            found[table] = len(texts), digest
    return found


def mentions(words: list[str], number: int) -> list[str]:
    """Tables of any schema with a row of this tenant's number, or one whose text has one of these words."""
    found = []
    with all_tenants_scope():
        for schema, table, has_tenant in rows(_TABLES):
            if has_tenant and rows(f'SELECT 1 FROM "{schema}"."{table}" WHERE tenant_id = {number} LIMIT 1'):
                found.append(f"{table}.tenant_id")
            # What an entry is called is a word of ours, which the seeds do not know.
            text = (
                "(to_jsonb(t) - 'action' - 'object_type')::text"
                if table == "tenants_auditentry"
                else "t::text"
            )
            likes = " OR ".join(f"{text} ILIKE '%{word}%'" for word in words)
            if rows(f'SELECT 1 FROM "{schema}"."{table}" t WHERE {likes} LIMIT 1'):
                found.append(table)
    return found


def outputs_on_disk() -> int:
    """Rows that no scope of this session need show: outputs are their tenants' alone."""
    total = 0
    with all_tenants_scope():
        tenants = list(Tenant.objects.all())
    for tenant in tenants:
        with tenant_scope(tenant):
            total += rows("SELECT count(*) FROM executions_executionoutput")[0][0]
    return int(total)


def test_nothing_mentions_it_and_nobody_else_lost_a_row(doomed: Any, bystander: Any, bravo: Any) -> None:
    shared = MembershipFactory(tenant=doomed, username="consultant")
    MembershipFactory(tenant=bravo, username="consultant")
    before, theirs, number = fingerprint(bystander), fingerprint(bravo), doomed.pk
    assert {name for name, (n, _) in fingerprint(doomed).items() if n == 0} <= {"django_migrations"}
    assert outputs_on_disk() == 2
    mark(doomed)
    done = tenant_delete(tenant=doomed, reason="left us", actor="olga (operator)", batch=2, rest=0)
    assert done.rows["executions_executionlog"] == 1
    assert set(mentions(["doomedco"], number)) == {"tenants_auditentry.tenant_id"}
    assert (fingerprint(bystander), fingerprint(bravo), outputs_on_disk()) == (before, theirs, 1)
    with all_tenants_scope():
        assert not User.objects.filter(username="dora-doomedco").exists()
        assert User.objects.filter(pk=shared.account_id).exists()
        assert Membership.objects.filter(account_id=shared.account_id).count() == 1
        assert rows("SELECT 1 FROM pg_namespace WHERE nspname = 'doomedco'") == []
    # The name is free again, for somebody who sees nothing of it.
    again = TenantFactory(schema_name="doomedco", name="Another")
    with tenant_scope(again):
        assert [entry.action for entry in AuditEntry.objects.all()] == ["tenant.create"]


def test_the_trail_keeps_what_was_done_and_by_which_operator_but_nothing_of_the_tenants(doomed: Any) -> None:
    with all_tenants_scope():
        had = AuditEntry.objects.filter(tenant=doomed).count()
    mark(doomed)
    tenant_delete(tenant=doomed, reason="ticket 7", actor="olga (operator)", rest=0)
    with all_tenants_scope():
        entries = list(AuditEntry.objects.filter(tenant_id=doomed.pk).order_by("pk"))
        assert AuditEntry.objects.update(reason="nothing happened") == 0
        assert AuditEntry.objects.all().delete()[0] == 0
    assert len(entries) == had + 3
    own = [(entry.action, entry.actor, entry.reason) for entry in entries[-3:]]
    assert own == [
        ("tenant.suspend", "olga (operator)", "left us"),
        ("tenant.deletion_request", "olga (operator)", "left us"),
        ("tenant.delete", "olga (operator)", "ticket 7"),
    ]
    assert all(entry.data == {} for entry in entries[:-1])
    assert {(entry.object_id, entry.reason) for entry in entries[1:had]} == {("", "")}
    assert entries[-1].data["rows"]["jobs_job"] == 1


def test_an_entry_can_only_be_emptied_and_only_of_a_tenant_that_is_being_deleted(
    doomed: Any, bystander: Any
) -> None:
    mark(doomed)
    with all_tenants_scope():
        assert AuditEntry.objects.filter(tenant=bystander).update(data={}) == 0
        entry = AuditEntry.objects.filter(tenant=doomed, action="tenant.create")
        for change in ({"actor": "nobody"}, {"action": "nothing"}, {"tenant": bystander}):
            with pytest.raises(Exception, match=r"can only be emptied|row-level security"):
                entry.update(data={}, **change)
        with pytest.raises(Exception, match="row-level security"):
            entry.update(data={"said": "otherwise"})
        assert entry.update(data={}) == 1


def test_it_is_asked_twice_and_not_before_its_time(doomed: Any, settings: Any, capsys: Any) -> None:
    settings.TENANT_DELETION_DELAY = 7

    def ask(*more: str, confirm: str = "doomedco") -> str:
        call_command(
            "delete_tenant", "doomedco", "--confirm", confirm, "--reason", "left us", "--rest", "0", *more
        )
        return str(capsys.readouterr().out)

    def still_there() -> bool:
        with tenant_scope(doomed):
            return rows("SELECT count(*) FROM jobs_job")[0][0] == 1

    with pytest.raises(CommandError, match="Suspend it first"):
        ask()
    oncall.tenant_suspend(tenant=doomed, reason="left us", actor="tests")
    with pytest.raises(CommandError, match="letter by letter"):
        ask(confirm="doomed")
    assert "Nothing is deleted yet" in ask()
    with pytest.raises(CommandError, match="may be deleted from"):
        ask()
    with pytest.raises(NotAsItIs, match="deleting"):
        oncall.tenant_resume(tenant=doomed, reason="paid", actor="tests")
    assert "stays, suspended" in ask("--cancel")
    assert still_there()
    assert "Nothing is deleted yet" in ask("--delay", "0")
    with pytest.raises(CommandError, match="may have begun"):
        ask("--cancel")
    assert still_there()
    assert "is deleted" in ask()
    with pytest.raises(CommandError, match="no tenant"):
        ask()


def test_it_needs_a_request_and_a_reason(doomed: Any) -> None:
    with pytest.raises(NotAsItIs, match="not asked for"):
        tenant_delete(tenant=doomed, reason="left us", actor="tests")
    with pytest.raises(Refused, match="why"):
        tenant_delete(tenant=doomed, reason=" ", actor="tests")


@pytest.mark.parametrize(
    "gone", ["jobs_cursor", "executions_executionlog", "tenants_apikey", "tenants_membership"]
)
def test_killed_anywhere_it_is_done_by_doing_it_again(
    doomed: Any, bystander: Any, monkeypatch: Any, gone: str
) -> None:
    """Ends it in the middle of the batch that follows, as a crash would: that batch is rolled back."""
    before = fingerprint(bystander)
    mark(doomed)
    steps = deletion._steps

    class Killed(BaseException):
        pass

    def steps_until(tenant: Any, batch: int) -> Any:
        for name, delete in steps(tenant, batch):
            yield name, delete
            if name == gone:
                break
        else:
            raise AssertionError("there is no such step")

        def killed() -> int:
            raise Killed

        yield "killed", killed

    monkeypatch.setattr(deletion, "_steps", steps_until)
    with pytest.raises(Killed):
        tenant_delete(tenant=doomed, reason="left us", actor="tests", rest=0)
    monkeypatch.undo()
    connection.close()
    tenant_delete(tenant=doomed, reason="left us", actor="tests", rest=0)
    assert set(mentions(["doomedco"], doomed.pk)) == {"tenants_auditentry.tenant_id"}
    assert fingerprint(bystander) == before


def test_it_ends_when_whoever_had_begun_to_write_has_ended(
    doomed: Any, bystander: Any, session: Any, monkeypatch: Any
) -> None:
    """A leader that copies a row of the tenant's commits it after the tenant's tables were gone through."""
    monkeypatch.setattr(deletion, "SETTLE_SECONDS", 0.2)
    mark(doomed)
    insert = (
        "INSERT INTO executions_delta (tenant_id, user_key, task_type, status, hour, n)"
        " VALUES (%s, '', '', '', now(), 1)"
    )
    with session.transaction():
        session.execute(insert, [doomed.pk])
        with pytest.raises(NotAsItIs, match="Repeat"):
            tenant_delete(tenant=doomed, reason="left us", actor="tests", rest=0)
    tenant_delete(tenant=doomed, reason="left us", actor="tests", rest=0)
    assert set(mentions(["doomedco"], doomed.pk)) == {"tenants_auditentry.tenant_id"}


def test_sigkill_half_way_is_resumed(doomed: Any, bystander: Any, live_db: str, tmp_path: Path) -> None:
    jobs = 40
    for number in range(jobs):
        make_job(doomed, name=f"doomedco {number}")
    before = fingerprint(bystander)
    mark(doomed)

    def left() -> int:
        with tenant_scope(doomed):
            return int(rows("SELECT count(*) FROM jobs_cursor")[0][0])

    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(
            [
                sys.executable, "manage.py", "delete_tenant", "doomedco", "--confirm", "doomedco",
                "--reason", "left us", "--batch", "1", "--rest", "20",
            ],
            cwd=ROOT,
            env={
                **os.environ,
                "DATABASE_URL": live_db,
                "DJANGO_SETTINGS_MODULE": "scheduler_saas.settings.test",
            },
            stdout=log,
            stderr=log,
        )  # fmt: skip
        wait_for(lambda: left() < jobs - 3, "a few rows are gone")
        process.send_signal(signal.SIGKILL)
        process.wait(10)
    assert 0 < left() < jobs
    with all_tenants_scope():
        assert Tenant.objects.get(pk=doomed.pk).status == "deleting"
        assert Domain.objects.filter(tenant=doomed).exists()
    tenant_delete(tenant=doomed, reason="left us", actor="tests", rest=0)
    assert set(mentions(["doomedco"], doomed.pk)) == {"tenants_auditentry.tenant_id"}
    assert fingerprint(bystander) == before
