"""The vault: sealed to tenant and row, re-sealed under a new key beside running work, and damage that stays small."""

from __future__ import annotations

import io
import threading
from typing import Any

import psycopg
import pytest
from cryptography.fernet import Fernet
from django.apps import apps
from django.core.management import CommandError, call_command
from django.db import connection, models

from apps.executions import vault_reading
from apps.jobs import services as jobs
from apps.jobs.models import Job
from apps.tenants import crypto
from apps.tenants.context import all_tenants_scope, tenant_scope
from apps.tenants.models import AuditEntry
from apps.vault import labels, rotation
from apps.vault import services as vault
from apps.vault.models import Connection, Endpoint, JobContent, Secret
from tests.contract.client import MemberClient
from tests.factories import make_job

OLD, NEW = "the key until today", "the key from today on"
CANARY = "canary-5f0c2d"


@pytest.fixture
def old_key(settings: Any) -> Any:
    settings.VAULT_KEYS = [OLD]
    return settings


def fill(tenant: Any, contents: int = 3) -> Job:
    """Something under every kind of seal."""
    job = make_job(tenant, payload={"url": "https://example.com/", "method": "GET"})
    with tenant_scope(tenant):
        for version in range(2, contents + 1):
            vault.content_put(job_id=job.id, version=version, content={"n": version, "word": CANARY})
        vault.secret_put(name="partner", value=CANARY)
        vault.endpoint_put(url="https://acme.example/in", signing_secrets=["whsec_" + "A" * 44])
        made = Connection.objects.create(user_id="bob", platform="shop")
        label = labels.connection_label(made.pk)
        Connection.objects.filter(pk=made.pk).update(
            sealed=crypto.seal(tenant.schema_name, label, {"token": CANARY})
        )
        Connection.objects.create(user_id="ann", platform="shop")  # without credentials
    return job


def rotate(**options: Any) -> str:
    out = io.StringIO()
    call_command("rotate_vault_keys", stdout=out, stderr=out, **options)
    return out.getvalue()


# -- sealed ------------------------------------------------------------------------------------------------------------


def test_what_is_kept_is_ciphertext_of_its_own_row_and_tenant(db: None, acme: Any, bravo: Any) -> None:
    job = fill(acme)
    with tenant_scope(acme):
        for sealed in rotation.SEALED:
            for row in sealed.model._default_manager.exclude(**{sealed.column: None}):
                held = bytes(getattr(row, sealed.column))
                assert CANARY.encode() not in held
                crypto.open_sealed("acme", sealed.label(row), held)
                with pytest.raises(crypto.CannotOpen):
                    crypto.open_sealed("bravo", sealed.label(row), held)
                for label in (labels.content_label(job.id, 99), labels.secret_label("other"), ""):
                    with pytest.raises(crypto.CannotOpen, match="another row"):
                        crypto.open_sealed("acme", label, held)


def test_ciphertext_that_is_moved_does_not_open(db: None, acme: Any, bravo: Any) -> None:
    mine, other = fill(acme), make_job(acme)
    with tenant_scope(acme):
        stolen = JobContent.objects.get(job_id=mine.id, version=2).sealed
        JobContent.objects.filter(job_id=other.id).update(sealed=stolen)
        assert vault.contents_get([(other.id, 1)]) == {}
        with pytest.raises(crypto.CannotOpen):
            vault.content_get(job_id=other.id, version=1)
    with tenant_scope(bravo):
        JobContent.objects.create(job_id=mine.id, version=2, sealed=bytes(stolen))
        with pytest.raises(crypto.CannotOpen):
            vault.content_get(job_id=mine.id, version=2)


# -- rotation of the keys ----------------------------------------------------------------------------------------------


def test_every_sealed_column_of_the_vault_is_rotated() -> None:
    columns = {
        (model, field.name)
        for model in apps.get_app_config("vault").get_models()
        for field in model._meta.get_fields()
        if isinstance(field, models.BinaryField)
    }
    assert columns == {(sealed.model, sealed.column) for sealed in rotation.SEALED}


def test_the_old_key_can_be_removed_after_a_rotation(db: None, old_key: Any, acme: Any, bravo: Any) -> None:
    job = fill(acme, contents=7)
    fill(bravo)
    old_key.VAULT_KEYS = [NEW, OLD]
    with tenant_scope(acme):
        vault.content_put(job_id=job.id, version=8, content={"n": 8})
        before = [bytes(row.sealed) for row in JobContent.objects.order_by("pk")]

    assert "acme: 10 to re-seal, 1 under the newest key before, 0 cannot" in rotate(dry_run=True)
    with tenant_scope(acme):
        assert [bytes(row.sealed) for row in JobContent.objects.order_by("pk")] == before
    said = rotate(batch=2)
    assert "acme: 10 re-sealed, 1 under the newest key before, 0 cannot be opened" in said
    assert "bravo: 6 re-sealed, 0 under" in said
    assert "0 re-sealed, 17 left as they were" in rotate(), "what is done is not done again"

    old_key.VAULT_KEYS = [NEW]
    with tenant_scope(acme):
        assert vault.content_get(job_id=job.id, version=7) == {"n": 7, "word": CANARY}
        assert vault.secret_get("partner") == CANARY
        endpoint = vault.endpoint_get()
        assert endpoint is not None
        assert endpoint.secrets == ["whsec_" + "A" * 44]
        held = Connection.objects.get(user_id="bob")
        label = labels.connection_label(held.pk)
        assert crypto.open_sealed("acme", label, held.sealed or b"") == {"token": CANARY}
    with all_tenants_scope():
        entry = AuditEntry.objects.get(action="vault.rotate", tenant=acme)
        assert (entry.actor, entry.data) == ("manage.py", {"resealed": 10, "left": 1, "closed": 0})


def test_one_tenant_alone(db: None, old_key: Any, acme: Any, bravo: Any) -> None:
    fill(acme)
    fill(bravo)
    old_key.VAULT_KEYS = [NEW, OLD]
    assert "bravo" not in rotate(tenant="acme")
    assert "bravo: 6 to re-seal" in rotate(dry_run=True)


def test_what_no_key_opens_is_named_and_left(db: None, old_key: Any, acme: Any) -> None:
    job = fill(acme)
    foreign = Fernet(Fernet.generate_key()).encrypt(b"{}")
    with tenant_scope(acme):
        JobContent.objects.filter(job_id=job.id, version=2).update(sealed=foreign)
    old_key.VAULT_KEYS = [NEW, OLD]
    out = io.StringIO()
    with pytest.raises(CommandError, match="open with none of the keys"):
        call_command("rotate_vault_keys", stdout=out, stderr=out)
    assert f"acme: content:{job.id}:2 cannot be opened" in out.getvalue()
    assert "acme: 5 re-sealed, 0 under the newest key before, 1 cannot be opened" in out.getvalue()
    with tenant_scope(acme):
        assert bytes(JobContent.objects.get(job_id=job.id, version=2).sealed) == foreign


def test_a_rotation_waits_for_an_edit_and_keeps_what_it_wrote(live_db: str, old_key: Any, acme: Any) -> None:
    """An edit holds the row while the rotation wants to write what it read before."""
    with tenant_scope(acme):
        vault.secret_put(name="partner", value="before the edit")
    old_key.VAULT_KEYS = [NEW, OLD]
    edited = crypto.seal("acme", labels.secret_label("partner"), "after the edit")
    reports: list[rotation.RotationReport] = []

    def rotating() -> None:
        try:
            reports.extend(rotation.rotate_all(tenant=acme, actor="tests"))
        finally:
            connection.close()

    with psycopg.connect(live_db) as session, psycopg.connect(live_db, autocommit=True) as watch:
        session.execute("UPDATE acme.vault_secret SET sealed = %s WHERE name = 'partner'", [edited])
        thread = threading.Thread(target=rotating)
        thread.start()
        blocked = "SELECT count(*) FROM pg_stat_activity WHERE %s = ANY(pg_blocking_pids(pid))"
        while thread.is_alive():
            if watch.execute(blocked, [session.info.backend_pid]).fetchone() == (1,):
                break
        session.commit()
        thread.join(20)
    assert [(report.resealed, report.left) for report in reports] == [(0, 1)]
    with tenant_scope(acme):
        assert vault.secret_get("partner") == "after the edit"


def test_a_row_that_is_deleted_meanwhile_is_no_failure(live_db: str, old_key: Any, acme: Any) -> None:
    with tenant_scope(acme):
        vault.secret_put(name="partner", value="short-lived")
        row = Secret.objects.get()
    old_key.VAULT_KEYS = [NEW, OLD]
    with tenant_scope(acme):
        Secret.objects.all().delete()
        report = rotation.RotationReport("acme")
        rotation._rotate(rotation.SEALED[1], row, report, dry_run=False)
    assert (report.resealed, report.left, report.closed) == (0, 0, [])


# -- damage stays small ------------------------------------------------------------------------------------------------


@pytest.fixture
def damaged(db: None, acme: Any) -> Job:
    job = make_job(acme, name="damaged")
    with tenant_scope(acme):
        JobContent.objects.filter(job_id=job.id).update(sealed=b"no token at all")
    return job


def test_a_job_whose_content_cannot_be_opened_is_shown_without_it(
    db: None, cast: Any, acme: Any, damaged: Job
) -> None:
    whole = make_job(acme, name="whole")
    client = MemberClient(cast.alice)
    listed = {job["name"]: job for job in client.ok("jobs")["jobs"]}
    assert listed["whole"]["payload_error"] is None
    assert listed["whole"]["payload"] == {"url": "https://example.com/"}
    for shown in (listed["damaged"], client.ok(f"jobs/{damaged.id}")):
        assert shown["payload"] is None
        assert "cannot be opened" in shown["payload_error"]
    assert {job["name"] for job in client.ok("dashboard")["jobs"]} >= {"damaged", "whole"}
    assert whole.id != damaged.id


def test_a_damaged_job_can_be_renamed_and_its_payload_put_back(db: None, cast: Any, damaged: Job) -> None:
    client = MemberClient(cast.alice)
    path = f"jobs/{damaged.id}"
    renamed = client.send("PATCH", path, {"name": "mended"})
    assert (renamed.status_code, renamed.json()["payload"]) == (200, None)
    incomplete = client.send("PATCH", path, {"payload": {}})
    assert (incomplete.status_code, list(incomplete.json()["errors"])) == (400, ["payload.url"])
    put_back = client.send("PATCH", path, {"payload": {"url": "https://example.com/new"}})
    assert put_back.status_code == 200
    assert put_back.json()["payload"] == {"url": "https://example.com/new"}
    assert put_back.json()["payload_error"] is None


def test_even_an_empty_payload_is_put_in_place_of_a_lost_one(acme: Any, db: None) -> None:
    job = make_job(acme, target="http_request", payload={})
    with tenant_scope(acme):
        JobContent.objects.filter(job_id=job.id).delete()
    jobs.job_update(tenant=acme, job_id=job.id, changes={"payload": {}}, actor="tests")
    with tenant_scope(acme):
        assert vault.content_get(job_id=job.id, version=2) == {}


# -- secrets by hand ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["a\0b", "\ud800", 7, ""])
def test_a_secret_of_an_impossible_name_takes_no_other_content_along(db: None, acme: Any, name: Any) -> None:
    """A task whose parameters nobody checks may hold anything under `secret`."""
    with tenant_scope(acme):
        vault.content_put(job_id=1, version=1, content={"secret": name})
        vault.content_put(job_id=2, version=1, content={"secret": "partner"})
        vault.secret_put(name="partner", value=CANARY)
    keys = [vault_reading.Key(acme.pk, job_id, 1) for job_id in (1, 2)]
    found = vault_reading.read(acme.pk, keys, [])
    assert set(found.contents) == set(keys)
    assert found.tenant is not None
    assert found.tenant.secrets["partner"] == [CANARY]


def test_a_secret_is_set_from_standard_input_and_never_shown(
    db: None, acme: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = io.StringIO()
    for value in (f"{CANARY}-1\n", f"{CANARY}-2\n"):
        monkeypatch.setattr("sys.stdin", io.StringIO(value))
        call_command("set_secret", "acme", "partner", stdout=out, stderr=out)
    assert out.getvalue() == "partner of acme is set.\npartner of acme is replaced.\n"
    with tenant_scope(acme):
        assert vault.secret_get("partner") == f"{CANARY}-2"
        entries = AuditEntry.objects.filter(action="secret.set").order_by("id")
        assert [entry.data["before"]["set"] for entry in entries] == [False, True]
        assert not [entry for entry in entries if CANARY in str(vars(entry))]
    for name, value in (("", "x"), ("a\nb", "x"), ("n" * 101, "x"), ("n", ""), ("n", "x" * 20_000)):
        monkeypatch.setattr("sys.stdin", io.StringIO(value))
        with pytest.raises(CommandError):
            call_command("set_secret", "acme", name, stdout=out)


# -- signing secrets ---------------------------------------------------------------------------------------------------


def signing(tenant: Any) -> list[str]:
    with tenant_scope(tenant):
        endpoint = vault.endpoint_get()
    assert endpoint is not None
    return endpoint.secrets


def set_endpoint(*arguments: str) -> str:
    out = io.StringIO()
    call_command("set_endpoint", "acme", *arguments, stdout=out, stderr=io.StringIO())
    return out.getvalue().strip()


def test_a_rotation_of_the_signing_secret_begins_and_ends(db: None, acme: Any) -> None:
    url = "https://acme.example/in"
    with pytest.raises(CommandError, match="no endpoint yet"):
        set_endpoint("--rotate")
    first = set_endpoint(url)
    second = set_endpoint("--rotate")
    assert signing(acme) == [second, first]
    assert set_endpoint("https://acme.example/moved") == second
    assert signing(acme) == [second, first], "moving the endpoint does not end the rotation"
    assert set_endpoint("--end-rotation") == second
    assert signing(acme) == [second]
    with tenant_scope(acme):
        assert Endpoint.objects.get().url == "https://acme.example/moved"
        entries = list(AuditEntry.objects.filter(action="endpoint.set").order_by("id"))
    counts = [entry.data["after"]["signing_secrets"] for entry in entries]
    assert counts == [1, 2, 2, 1]
    assert entries[0].data["before"] is None
    assert entries[3].data["before"] == {"host": "acme.example", "signing_secrets": 2}
    assert not [entry for entry in entries if first in str(entry.data) or second in str(entry.data)]


@pytest.mark.parametrize("secret", ["whsec_" + "A" * 33, "whsec_" + "=" * 40, "A" * 44, "whsec_" + "A" * 28])
def test_a_secret_that_could_sign_nothing_is_refused(db: None, acme: Any, secret: str) -> None:
    with pytest.raises(CommandError, match="24 to 64 bytes"):
        set_endpoint("https://acme.example/in", "--secret", secret)
    with tenant_scope(acme):
        assert not Endpoint.objects.exists()


def test_an_endpoint_whose_secrets_are_lost_gets_new_ones(db: None, acme: Any) -> None:
    set_endpoint("https://acme.example/in")
    with tenant_scope(acme):
        Endpoint.objects.update(sealed_secrets=b"damaged")
    with pytest.raises(CommandError, match="cannot be opened"):
        set_endpoint("https://acme.example/in")
    new = set_endpoint("--rotate")
    assert signing(acme) == [new]
