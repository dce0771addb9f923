"""Sealing everything again under the newest of VAULT_KEYS, so that the older ones can go.

A row is written only where its ciphertext is still the one that was read, so edits and workers go on meanwhile; what is
under the newest key already is left, so that a run that was interrupted is simply run again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from django.db import models, transaction

from apps.tenants.context import all_tenants_scope, tenant_scope
from apps.tenants.crypto import CannotOpen, resealed
from apps.tenants.models import Tenant
from apps.tenants.services import audit
from apps.vault import labels
from apps.vault.models import Connection, Endpoint, JobContent, NotificationChannel, Secret

BATCH = 100  # rows; a content may have a quarter of a mebibyte


class Sealed(NamedTuple):
    """A column of ciphertext, and what its rows' labels are."""

    model: type[models.Model]
    column: str
    label: Callable[[Any], str]


# Every sealed column of a tenant's schema; a test holds this to the models.
SEALED = (
    Sealed(JobContent, "sealed", lambda row: labels.content_label(row.job_id, row.version)),
    Sealed(Secret, "sealed", lambda row: labels.secret_label(row.name)),
    Sealed(Endpoint, "sealed_secrets", lambda row: labels.endpoint_label(row.name)),
    Sealed(Connection, "sealed", lambda row: labels.connection_label(row.pk)),
    Sealed(NotificationChannel, "sealed", lambda row: labels.channel_label(row.pk)),
)


@dataclass(slots=True)
class RotationReport:
    """Of a tenant: how many rows were (or, in a dry run, would be) sealed again, how many were under the newest key
    before, and which could not be opened with any key."""

    tenant: str
    resealed: int = 0
    left: int = 0
    closed: list[str] = field(default_factory=list)


def rotate_all(
    *, tenant: Tenant | None = None, batch: int = BATCH, dry_run: bool = False, actor: str
) -> Iterator[RotationReport]:
    """One tenant or, for None, all of them, suspended ones too; a report as each is done."""
    if tenant is not None:
        tenants = [tenant]
    else:
        with all_tenants_scope():
            tenants = list(Tenant.objects.order_by("pk"))
    for each in tenants:
        yield tenant_rotate(tenant=each, batch=batch, dry_run=dry_run, actor=actor)


def tenant_rotate(*, tenant: Tenant, batch: int = BATCH, dry_run: bool = False, actor: str) -> RotationReport:
    """Each batch is a transaction, so this one service is not; the audit entry comes last."""
    report = RotationReport(str(tenant.schema_name))
    with tenant_scope(tenant):
        for sealed in SEALED:
            last = 0
            while rows := _batch(sealed, last, batch):
                last = rows[-1].pk
                with transaction.atomic():
                    for row in rows:
                        _rotate(sealed, row, report, dry_run=dry_run)
        if not dry_run and (report.resealed or report.closed):
            audit(
                actor=actor,
                action="vault.rotate",
                tenant=tenant,
                object_type="vault",
                data={"resealed": report.resealed, "left": report.left, "closed": len(report.closed)},
            )
    return report


def _batch(sealed: Sealed, after: int, size: int) -> list[Any]:
    rows: Any = sealed.model._default_manager.filter(pk__gt=after, **{f"{sealed.column}__isnull": False})
    return list(rows.order_by("pk")[:size])


def _rotate(sealed: Sealed, row: Any, report: RotationReport, *, dry_run: bool) -> None:
    rows = sealed.model._default_manager.filter(pk=row.pk)
    while row is not None:
        held = getattr(row, sealed.column)
        if held is None:
            return
        try:
            renewed = resealed(report.tenant, sealed.label(row), held)
        except CannotOpen as error:
            report.closed.append(str(error))
            return
        if renewed is None:
            report.left += 1
            return
        # Compare and set: somebody who changed it meanwhile keeps what they wrote, and it is looked at again.
        if dry_run or rows.filter(**{sealed.column: bytes(held)}).update(**{sealed.column: renewed}):
            report.resealed += 1
            return
        row = rows.first()
