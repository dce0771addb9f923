"""Everything that is the tenant's, of one moment, and nothing of anybody else's or that opens a door."""

from __future__ import annotations

import hashlib
import json
import tracemalloc
import zipfile
from pathlib import Path
from typing import Any

import pytest
from django.apps import apps
from django.core.management import CommandError, call_command

from apps.operations.lifecycle import export
from apps.operations.lifecycle.export import WITHOUT, tenant_export
from apps.operations.lifecycle.tables import tenant_tables
from apps.tenants.context import all_tenants_scope, tenant_scope
from apps.tenants.models import AuditEntry
from apps.tenants.services import Refused
from apps.vault.models import JobContent
from tests.factories import MembershipFactory, make_job
from tests.isolation.columns import text_columns
from tests.isolation.raw import rows
from tests.isolation.seeds import canary, confidential, seed, write_only


@pytest.fixture
def seeded(live_db: str, acme: Any, bravo: Any) -> Any:
    for tenant in (acme, bravo):
        seed(tenant, MembershipFactory(tenant=tenant, username=f"owner-{tenant.schema_name}", role="owner"))
    return acme


def exported(tenant: Any, out: Path, **more: Any) -> tuple[dict[str, Any], dict[str, list[Any]]]:
    tenant_export(tenant=tenant, out=out, reason="they asked", actor="tests", **more)
    files = {path.name: path.read_bytes() for path in out.iterdir()}
    manifest = json.loads(files.pop("manifest.json"))
    assert set(files) == set(manifest["files"])
    found = {}
    for name, data in files.items():
        told = manifest["files"][name]
        lines = data.decode().splitlines()
        assert told == {"rows": len(lines), "bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}, (
            name
        )
        found[name.removesuffix(".jsonl")] = [json.loads(line) for line in lines]
    return manifest, found


def test_all_that_is_the_tenants_and_nothing_that_is_anothers(
    seeded: Any, bravo: Any, tmp_path: Path
) -> None:
    manifest, found = exported(seeded, tmp_path / "out")
    with tenant_scope(seeded):
        for table in tenant_tables():
            if table.name not in WITHOUT:
                assert rows(f'SELECT count(*) FROM "{table.name}" WHERE tenant_id = {seeded.pk}') == [
                    (len(found[table.name]),)
                ], table.name
    vault = {model._meta.db_table for model in apps.get_app_config("vault").get_models()}
    assert vault <= set(found), "a table of the vault is left out"
    assert (manifest["tenant"]["short_name"], found["tenant"][0]["short_name"]) == ("acme", "acme")
    assert found["tenant"][0]["domains"] == ["acme.localhost"]
    assert {each["username"] for each in found["accounts"]} > {"owner-acme"}
    everything = json.dumps(found)
    assert canary(bravo) not in everything
    for column in text_columns(seeded.schema_name, 60):
        if column.table in found and column.name in (found[column.table] or [{}])[0]:
            assert found[column.table], column


def test_what_was_told_in_confidence_is_opened_and_what_opens_doors_is_not_there(
    seeded: Any, tmp_path: Path
) -> None:
    _, found = exported(seeded, tmp_path / "out")
    secret = confidential(seeded)
    assert found["vault_jobcontent"][0]["content"]["headers"] == {"x": secret}
    assert [each["name"] for each in found["vault_secret"]] == [secret]
    assert found["executions_executionoutput"][0]["result"] == {"said": secret}
    assert found["vault_connection"][0]["settings"] == {"said": secret}
    assert found["vault_notificationchannel"][0]["address"] == "https://example.com/"
    everything = json.dumps(found)
    assert write_only(seeded) not in everything
    for name in ("secret_hash", "token_hash", "sealed", "password"):
        assert f'"{name}"' not in everything


def test_one_moment_for_all_files(seeded: Any, tmp_path: Path, monkeypatch: Any) -> None:
    """A job that is made while the first file is written is in none of them."""
    from threading import Thread

    from django.db import connection

    files = export._files

    def files_while_others_work(tenant: Any) -> Any:
        def work() -> None:
            make_job(seeded, name="made meanwhile")
            connection.close()

        thread = Thread(target=work)
        thread.start()
        thread.join()
        return files(tenant)

    monkeypatch.setattr(export, "_files", files_while_others_work)
    _, found = exported(seeded, tmp_path / "out")
    assert "made meanwhile" not in json.dumps(found)
    monkeypatch.undo()
    _, found = exported(seeded, tmp_path / "again")
    assert "made meanwhile" in json.dumps(found["jobs_job"])


def test_a_zip_is_whole_or_not_there_and_for_its_owner_alone(
    seeded: Any, tmp_path: Path, monkeypatch: Any, capsys: Any
) -> None:
    out = tmp_path / "acme.zip"
    call_command("export_tenant", "acme", out=out, reason="they asked")
    with zipfile.ZipFile(out) as archive:
        assert archive.testzip() is None
        manifest = json.loads(archive.read("manifest.json"))
        assert set(archive.namelist()) == {*manifest["files"], "manifest.json"}
    assert out.stat().st_mode & 0o077 == 0
    assert str(out) in capsys.readouterr().out
    with pytest.raises(CommandError, match="exists already"):
        call_command("export_tenant", "acme", out=out, reason="they asked")

    def broken(tenant: Any) -> Any:
        raise OSError("the disk is full")

    monkeypatch.setattr(export, "_contents", broken)
    for name in ("other.zip", "other"):
        with pytest.raises(CommandError, match="disk is full"):
            call_command("export_tenant", "acme", out=tmp_path / name, reason="they asked")
    assert [path.name for path in tmp_path.iterdir()] == ["acme.zip"]


def test_it_is_audited_before_anything_is_read_and_needs_a_reason(seeded: Any, tmp_path: Path) -> None:
    with pytest.raises(Refused, match="why"):
        tenant_export(tenant=seeded, out=tmp_path / "a", reason=" ", actor="tests")
    exported(seeded, tmp_path / "out")
    with all_tenants_scope():
        entry = AuditEntry.objects.get(action="tenant.export")
    assert (entry.tenant_id, entry.actor, entry.reason) == (seeded.pk, "tests", "they asked")


def test_a_content_that_cannot_be_opened_is_named(seeded: Any, tmp_path: Path) -> None:
    with tenant_scope(seeded):
        JobContent.objects.update(sealed=b"damaged")
    _, found = exported(seeded, tmp_path / "out")
    assert found["vault_jobcontent"][0]["content"] is None
    assert "cannot be opened" in found["vault_jobcontent"][0]["closed"]


def test_memory_does_not_grow_with_the_history(seeded: Any, tmp_path: Path) -> None:
    """40,000 skips are 12 MB in the file; what is held at once stays far below."""
    job = make_job(seeded, name="often late").pk
    with tenant_scope(seeded):
        rows(
            "INSERT INTO executions_skip (tenant_id, job_id, first, last, count, reason, detail)"
            f" SELECT {seeded.pk}, {job}, at, at, 1, 'misfire', repeat('x', 100)"
            " FROM generate_series(now() - interval '39999 minutes', now(), interval '1 minute') AS at RETURNING id"
        )
    tracemalloc.start()
    try:
        tenant_export(tenant=seeded, out=tmp_path / "out", reason="they asked", actor="tests")
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (tmp_path / "out" / "executions_skip.jsonl").stat().st_size > 10_000_000
    assert peak < 4_000_000
