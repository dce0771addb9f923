"""Connected platforms in the vault. Call these inside `tenant_scope(tenant)`, the writing ones in a transaction.

A user's rows are found whatever form of the id they hold; a row that is written gets both forms. Should history hold
two rows of a user for one platform, the one that knows the string counts, and a write leaves it alone.
"""

from __future__ import annotations

from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import F, QuerySet
from django.db.models.functions import Now

from apps.tenants.context import current_schema_name
from apps.tenants.crypto import open_sealed, seal
from apps.tenants.identity import both_forms, user_rows
from apps.vault.labels import connection_label
from apps.vault.models import Connection


def connections_of(tenant_id: int, *, user_id: str | None = None) -> QuerySet[Connection]:
    """The connections of a user, or of everybody. `tenant_id` maps user ids; the rows are the schema's."""
    rows = Connection.objects.all()
    return rows if user_id is None else rows.filter(user_rows(tenant_id, user_id))


def connection_of(tenant_id: int, user_id: str, platform: str, *, lock: bool = False) -> Connection | None:
    """The user's connection of `platform`, or None. `lock` holds it until the transaction ends."""
    rows = _rows(tenant_id, user_id, platform)
    return (rows.select_for_update() if lock else rows).first()


def connection_hold(tenant_id: int, user_id: str, platform: str) -> tuple[Connection, bool]:
    """The user's one connection of `platform`, locked, and whether it was made just now."""
    rows = _rows(tenant_id, user_id, platform)
    while True:
        if found := list(rows.select_for_update()):
            Connection.objects.filter(pk__in=[other.pk for other in found[1:]]).delete()
            return found[0], False
        text, number = both_forms(tenant_id, user_id)
        try:
            with transaction.atomic():
                return Connection.objects.create(user_id=text, legacy_user_id=number, platform=platform), True
        except IntegrityError:
            continue  # somebody else connected it just now, and perhaps disconnected it before we look


def connection_write(
    connection: Connection,
    tenant_id: int,
    user_id: str,
    *,
    label: str,
    settings: dict[str, Any],
    credentials: dict[str, Any] | None,
) -> None:
    """Replace what a held connection holds. `credentials` None keeps those it has."""
    connection.user_id, number = both_forms(tenant_id, user_id)
    connection.legacy_user_id = connection.legacy_user_id if number is None else number
    connection.label, connection.settings, connection.updated_at = label, settings, Now()
    if credentials is not None:
        connection.sealed = seal(current_schema_name(), connection_label(connection.pk), credentials)
        connection.credentials_updated_at = Now()
    connection.save()
    connection.refresh_from_db()


def connection_delete(tenant_id: int, user_id: str, platform: str) -> Connection | None:
    """Forget the user's connection of `platform`, credentials and all; what it was, or None where there was none."""
    found = list(_rows(tenant_id, user_id, platform).select_for_update())
    Connection.objects.filter(pk__in=[row.pk for row in found]).delete()
    return found[0] if found else None


def credentials_get(connection: Connection) -> dict[str, Any] | None:
    """For what works with the platform; no API shows them. Raises `CannotOpen`."""
    if connection.sealed is None:
        return None
    opened: dict[str, Any] = open_sealed(
        current_schema_name(), connection_label(connection.pk), connection.sealed
    )
    return opened


def _rows(tenant_id: int, user_id: str, platform: str) -> QuerySet[Connection]:
    rows = connections_of(tenant_id, user_id=user_id).filter(platform=platform)
    return rows.order_by(F("user_id").asc(nulls_last=True), "id")
