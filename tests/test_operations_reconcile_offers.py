"""The same repair by API, for a tenant, and by command, for on-call."""

from __future__ import annotations

import json
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import Client

from apps.operations.management.commands.reconcile import Command
from apps.operations.reconcilers import RECONCILERS
from apps.tenants.context import all_tenants_scope
from apps.tenants.models import AuditEntry
from tests.drift import minutely, stands, with_columns
from tests.factories import key_of


def post(tenant: Any, key: str | None, body: Any, kind: str | None = "cursors") -> Any:
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    return Client().post(
        f"/api/scheduler/reconcile/{kind}" if kind else "/api/scheduler/reconcile",
        json.dumps(body),
        content_type="application/json",
        headers={**headers, "Host": f"{tenant.schema_name}.localhost"},
    )


@pytest.mark.django_db
@pytest.mark.parametrize(("person", "status"), [("vic", 403), ("bob", 403), ("ann", 200), ("alice", 200)])
def test_admins_and_owners_may_post(person: str, status: int, acme: Any, cast: Any) -> None:
    with all_tenants_scope():
        job = minutely(acme, next_run_at=None)
    key, text = key_of(getattr(cast, person))
    answer = post(acme, text, {"reason": "because"})
    assert answer.status_code == status
    with all_tenants_scope():
        assert (stands(job)[0] is not None) == (status == 200)
        entries = AuditEntry.objects.filter(action="reconcile.cursors")
        assert [entry.actor for entry in entries] == (
            [f"{person}-acme (key {key.prefix})"] if status == 200 else []
        )
    if status == 200:
        body = answer.json()
        assert (body["success"], body["repaired"], body["dry_run"]) == (True, 1, False)
        assert body["items"][0]["object_id"] == job.id
    else:
        assert answer.json()["detail"]


@pytest.mark.django_db
def test_the_post_stays_in_its_tenant(acme: Any, bravo: Any, cast: Any, other_cast: Any) -> None:
    with all_tenants_scope():
        theirs = minutely(bravo, next_run_at=None)
    _, mine = key_of(cast.alice)
    _, foreign = key_of(other_cast.alice)
    assert post(acme, None, {"reason": "x"}).status_code == 401
    assert post(acme, foreign, {"reason": "x"}).status_code == 403
    assert post(acme, mine, {"reason": "x"}).json()["found"] == 0
    with all_tenants_scope():
        assert stands(theirs) == (None, None)


@pytest.mark.django_db
def test_the_post_checks_what_it_is_sent(acme: Any, cast: Any) -> None:
    _, key = key_of(cast.alice)
    assert post(acme, key, {"reason": "x"}, kind="weather").status_code == 404
    missing = post(acme, key, {})
    assert (missing.status_code, list(missing.json()["errors"])) == (400, ["reason"])
    assert post(acme, key, {"reason": "x" * 501}).status_code == 400
    assert post(acme, key, {"dry_run": "perhaps"}).status_code == 400
    mistyped = post(acme, key, {"dryrun": True, "reason": "x"})
    assert (mistyped.status_code, list(mistyped.json()["errors"])) == (400, ["dryrun"])
    dry = post(acme, key, {"dry_run": True})
    assert (dry.status_code, dry.json()["dry_run"]) == (200, True)


@pytest.mark.django_db
def test_one_post_for_these_kinds_or_all(acme: Any, bravo: Any, cast: Any) -> None:
    with all_tenants_scope():
        job, theirs = minutely(acme, next_run_at=None), minutely(bravo, next_run_at=None)
    _, key = key_of(cast.ann)
    looked = post(acme, key, {"dry_run": True}, kind=None).json()
    assert looked["kinds"] == list(RECONCILERS)
    assert [(item["kind"], item["tenant"]) for item in looked["items"]] == [
        ("cursors", "acme"),
        ("vault_rows", "acme"),  # the job was made without its content
    ]
    some = post(acme, key, {"kinds": ["user_ids", "cursors", "cursors"], "reason": "because"}, kind=None)
    assert (some.json()["kinds"], some.json()["repaired"]) == (["cursors", "user_ids"], 1)
    for body, field in (
        ({}, "reason"),
        ({"kinds": [], "reason": "x"}, "kinds"),
        ({"kinds": ["weather"], "reason": "x"}, "kinds"),
        ({"kinds": "cursors", "reason": "x"}, "kinds"),
        ({"kind": ["cursors"], "reason": "x"}, "kind"),
    ):
        refused = post(acme, key, body, kind=None)
        assert (refused.status_code, list(refused.json()["errors"])) == (400, [field]), body
    _, below = key_of(cast.bob)
    assert post(acme, below, {"dry_run": True}, kind=None).status_code == 403
    with all_tenants_scope():
        assert (stands(job)[0] is None, stands(theirs)[0] is None) == (False, True)


def command(*args: str) -> str:
    out = StringIO()
    call_command("reconcile", *args, stdout=out)
    return out.getvalue()


@pytest.mark.django_db
def test_the_command(acme: Any, bravo: Any) -> None:
    with all_tenants_scope():
        job = minutely(acme, next_run_at=None)
    with pytest.raises(CommandError, match="reason"):
        command()
    with pytest.raises(CommandError, match="no tenant"):
        command("--tenant", "nobody", "--dry-run")
    assert command("--tenant", "bravo", "--dry-run").startswith("Dry run: 0 found")
    [_, line, _] = command("--only", "cursors", "--dry-run").splitlines()
    assert line.split()[:6] == ["cursors", "unscheduled", "acme", "job", f"{job.id}", "found"]
    report = json.loads(command("--only", "cursors", "--reason", "from the runbook", "--json"))
    assert (report["repaired"], report["failures"], report["items"][0]["tenant"]) == (1, 0, "acme")
    with all_tenants_scope():
        with_columns(job, cron_expression="61 * * * *")
    with pytest.raises(SystemExit) as exit_:
        command("--only", "cursors", "--reason", "again")
    assert exit_.value.code == 1


def test_the_help_says_what_each_kind_is() -> None:
    text = Command().create_parser("manage.py", "reconcile").format_help()
    for kind in RECONCILERS:
        assert f"\n  {kind}\n      " in text
