"""Everything of a tenant, as JSON Lines: a file a table, and a manifest with what each has and lacks.

One REPEATABLE READ snapshot, in the tenant's scope: the files agree with each other, and hold what the tenant sees and
not a row more. Rows stream through a server-side cursor, so memory stays the same however long the history is. What is
sealed in the vault is opened; values of secrets, signing secrets and credentials are not exported.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.serializers.json import DjangoJSONEncoder
from django.db import connection, transaction
from psycopg import sql as text

from apps.operations.lifecycle.archive import Archive, File, archive_at
from apps.operations.lifecycle.tables import tenant_tables
from apps.operations.statements import sql
from apps.tenants.context import tenant_scope
from apps.tenants.crypto import CannotOpen, open_sealed
from apps.tenants.models import Tenant
from apps.tenants.services import Refused, audit
from apps.vault.channels import channel_content_get
from apps.vault.labels import content_label
from apps.vault.models import Connection, Endpoint, JobContent, NotificationChannel, Secret

FORMAT = 1
AT_ONCE = 500  # rows of a round trip
WITHOUT = {
    "tenants_idempotentrequest": "answers to repeated requests, kept for a day",
    "tenants_domain": "in tenant.jsonl",
}
# Of no use to anybody but this installation, or a credential. Sealed columns are left out wherever they are.
LEFT_OUT = frozenset({"tenant_id", "secret_hash", "token_hash", "fingerprint", "sealed"})
_ROWS = "SELECT (to_jsonb(row) - %(left_out)s::text[])::text FROM public.{} AS row WHERE tenant_id = %(tenant_id)s"
Progress = Callable[[int, int, str], None]  # files done, files there are, and a sentence


@dataclass(slots=True)
class Exported:
    """The manifest, as it stands in the export."""

    manifest: dict[str, Any]

    @property
    def rows(self) -> int:
        return sum(int(each["rows"]) for each in self.manifest["files"].values())


def tenant_export(
    *,
    tenant: Tenant,
    out: Path,
    reason: str,
    actor: str,
    progress: Progress = lambda done, total, text: None,
) -> Exported:
    """Write everything of `tenant` to `out`, a new directory or a file that ends in `.zip`.

    It opens what the tenant keeps in confidence, so it is audited before the first row is read. Raises `Refused`.
    """
    if not reason.strip():
        raise Refused("Say why; the tenant will ask.")
    if out.exists():
        raise Refused(f"{out} exists already.")
    with tenant_scope(tenant):
        data = {"format": FORMAT, "out": out.name}
        audit(
            actor=actor,
            action="tenant.export",
            tenant=tenant,
            object_type="tenant",
            object_id=tenant.pk,
            reason=reason.strip(),
            data=data,
        )
        with archive_at(out) as archive, _snapshot():
            return _write(archive, tenant, progress)


@contextmanager
def _snapshot() -> Iterator[None]:
    """A transaction that sees one moment and can write nothing."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")  # the scope is applied, which may not be the transaction's first statement
    with transaction.atomic(durable=True):
        with connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        yield


def _write(archive: Archive, tenant: Tenant, progress: Progress) -> Exported:
    with connection.cursor() as cursor:
        cursor.execute("SELECT now()")
        (moment,) = cursor.fetchone()
    files = dict(_files(tenant))
    manifest: dict[str, Any] = {
        "format": FORMAT,
        "version": settings.VERSION,
        "tenant": {"id": tenant.pk, "short_name": tenant.schema_name},
        "snapshot_at": moment,
        "files": {},
        "not_exported": {
            **WITHOUT,
            "vault": "values of secrets, signing secrets of endpoints and channels, credentials of connections",
            "keys": "the text of API keys and invitations, of which only hashes are kept",
        },
    }
    for done, (name, rows) in enumerate(files.items()):
        with archive.file(f"{name}.jsonl") as file:
            for row in rows:
                file.line(row)
                if not file.rows % 10_000:
                    progress(done, len(files), f"{file.rows} rows of {name}")
        manifest["files"][f"{name}.jsonl"] = _entry(file)
    archive.finish(_json(manifest, indent=2))
    return Exported(json.loads(_json(manifest)))


def _entry(file: File) -> dict[str, Any]:
    return {"rows": file.rows, "bytes": file.size, "sha256": file.sha256}


def _files(tenant: Tenant) -> Iterator[tuple[str, Iterator[str]]]:
    yield "tenant", _queried(sql("export_tenant"), {"tenant_id": tenant.pk})
    yield "accounts", _queried(sql("export_accounts"), {"tenant_id": tenant.pk})
    for table in tenant_tables():
        if table.name not in WITHOUT:
            statement = text.SQL(_ROWS).format(text.Identifier(table.name))
            yield table.name, _queried(statement, {"tenant_id": tenant.pk, "left_out": sorted(LEFT_OUT)})
    yield "vault_jobcontent", _contents(tenant)
    yield "vault_notificationchannel", _channels()
    for model, columns in _VAULT:
        yield model._meta.db_table, _plain(model, columns)


_OF_CHANNEL = (
    *("id", "name", "kind", "events", "job_id", "task_type", "user_id", "enabled"),
    *("last_sent_at", "last_error", "last_error_at", "created_at", "updated_at"),
)
_VAULT: tuple[tuple[Any, tuple[str, ...]], ...] = (
    (Secret, ("name", "created_at")),
    (Endpoint, ("name", "url", "created_at", "updated_at")),
    (
        Connection,
        (
            *("id", "user_id", "legacy_user_id", "platform", "label", "settings"),
            *("credentials_updated_at", "created_at", "updated_at"),
        ),
    ),
)


def _queried(statement: Any, params: dict[str, Any]) -> Iterator[str]:
    with connection.chunked_cursor() as cursor:
        cursor.execute(statement, params)
        while rows := cursor.fetchmany(AT_ONCE):
            yield from (row for (row,) in rows)


def _contents(tenant: Tenant) -> Iterator[str]:
    for row in JobContent.objects.order_by("pk").iterator(chunk_size=50):  # a content may have 256 KiB
        shown = {"job_id": row.job_id, "version": row.version, "created_at": row.created_at}
        try:
            opened = open_sealed(tenant.schema_name, content_label(row.job_id, row.version), row.sealed)
            yield _json({**shown, "content": opened})
        except CannotOpen as error:
            yield _json({**shown, "content": None, "closed": str(error)})


def _channels() -> Iterator[str]:
    for channel in NotificationChannel.objects.order_by("pk"):
        shown = {name: getattr(channel, name) for name in _OF_CHANNEL}
        try:
            yield _json({**shown, "address": channel_content_get(channel).address})
        except CannotOpen as error:
            yield _json({**shown, "address": None, "closed": str(error)})


def _plain(model: Any, columns: tuple[str, ...]) -> Iterator[str]:
    rows = model.objects.order_by("pk").values(*columns)
    return (_json(row) for row in rows.iterator(chunk_size=AT_ONCE))


def _json(value: Any, **options: Any) -> str:
    return json.dumps(value, cls=DjangoJSONEncoder, ensure_ascii=False, **options)
