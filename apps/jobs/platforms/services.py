"""Connecting a platform, disconnecting it, and giving every connection its monitoring job."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from django.db import DatabaseError, transaction

from apps.jobs import services as jobs
from apps.jobs.fields import reason_text
from apps.jobs.platforms import registry
from apps.jobs.platforms.content import ConnectionRefused, audited, check
from apps.jobs.platforms.selectors import (
    DISCONNECTED,
    awaits_reconnection,
    connected_platforms,
    monitoring_jobs,
)
from apps.jobs.platforms.uniqueness import PlatformTaken
from apps.jobs.schedules import database_now
from apps.jobs.specs import JobNotFound, JobRefused
from apps.jobs.states import Switch
from apps.tenants.context import tenant_scope
from apps.tenants.identity import both_forms
from apps.tenants.models import Tenant
from apps.tenants.services import audit
from apps.vault import connections as vault
from apps.vault.models import Connection

logger = logging.getLogger(__name__)
UNMONITORED = "A connected platform had no monitoring job."
RECONNECTED = "The platform is connected again."


class NotConnected(LookupError):
    """The user has not connected that platform."""


class Ensured(StrEnum):
    """What became of one connection."""

    CREATED = "created"
    RESUMED = "resumed"
    EXISTS = "exists"
    MADE_MEANWHILE = "made meanwhile"
    DISCONNECTED = "disconnected meanwhile"


SKIPPED = {
    Ensured.RESUMED: "Its job was there, paused since the platform was disconnected; it goes on.",
    Ensured.EXISTS: "It has a job already.",
    Ensured.MADE_MEANWHILE: "Somebody else has just made its job.",
    Ensured.DISCONNECTED: "It has just been disconnected.",
}


@dataclass(frozen=True, slots=True)
class Reconciliation:
    """Every connected platform is in exactly one of `ensured` and `failures` (with a sentence)."""

    user_id: str
    connected: list[str]
    reconciled_at: datetime
    ensured: dict[str, Ensured] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)


def connection_put(
    *,
    tenant: Tenant,
    user_id: str,
    platform: str,
    label: Any = "",
    settings: Any = None,
    credentials: Any = None,
    actor: str,
) -> tuple[Connection, bool]:
    """Connect a platform or replace the user's connection; and whether it is new. Makes no job.

    Credentials are needed to connect; left out later, those there are stay, for nobody can read them to send them
    again. Raises UnknownPlatform, ConnectionRefused.
    """
    registry.get(platform)
    settings = {} if settings is None else settings
    check(user_id=user_id, label=label, settings=settings, credentials=credentials)
    with tenant_scope(tenant), transaction.atomic():
        connection, is_new = vault.connection_hold(tenant.pk, user_id, platform)
        if connection.sealed is None and credentials is None:
            raise ConnectionRefused({"credentials": "These are needed to connect a platform."})
        before, old_settings = audited(None if is_new else connection), connection.settings
        vault.connection_write(
            connection, tenant.pk, user_id, label=label, settings=settings, credentials=credentials
        )
        _audit(
            tenant,
            connection,
            "connection.create" if is_new else "connection.update",
            actor,
            before=before,
            after=audited(connection),
            changed_settings=_changed(old_settings, connection.settings),
        )
    return connection, is_new


def connection_delete(*, tenant: Tenant, user_id: str, platform: str, actor: str) -> Connection:
    """Forget a connection, credentials and all, and pause its monitoring job; what the connection was.

    Connected again, the job goes on with the next reconcile. Raises UnknownPlatform, NotConnected.
    """
    registry.get(platform)
    with tenant_scope(tenant), transaction.atomic():
        connection = vault.connection_delete(tenant.pk, user_id, platform)
        if connection is None:
            raise NotConnected(f"{platform} is not connected")
        running = monitoring_jobs(tenant, user_id).filter(platform=platform, switch=Switch.ACTIVE)
        paused = [job.id for job in running]
        for job_id in paused:
            # Refused where the job lost its cursor: nothing runs it then, and credentials can still be withdrawn.
            with suppress(JobRefused):
                jobs.job_pause(tenant=tenant, job_id=job_id, reason=DISCONNECTED, actor=actor)
        _audit(
            tenant,
            connection,
            "connection.delete",
            actor,
            before=audited(connection),
            after=audited(None),
            paused_jobs=paused,
        )
    return connection


def job_ensure(*, tenant: Tenant, user_id: str, platform: str, actor: str, reason: str = "") -> Ensured:
    """See to it that the user's connection has its one monitoring job. Raises UnknownPlatform, JobRefused.

    The connection's row is held, so two of these take turns and a disconnection comes before or after. Whoever makes
    such a job by another way is stopped by the database, or stops this.
    """
    kind = registry.get(platform)
    with tenant_scope(tenant), transaction.atomic():
        if vault.connection_of(tenant.pk, user_id, platform, lock=True) is None:
            return Ensured.DISCONNECTED
        job = monitoring_jobs(tenant, user_id).filter(platform=platform).first()
        if job is None:
            try:
                spec = kind.job_spec(both_forms(tenant.pk, user_id)[0])
                jobs.job_create(tenant=tenant, spec=spec, actor=actor, reason=reason or UNMONITORED)
            except PlatformTaken:
                return Ensured.MADE_MEANWHILE
            return Ensured.CREATED
        if awaits_reconnection(job):
            jobs.job_resume(tenant=tenant, job_id=job.id, reason=reason or RECONNECTED, actor=actor)
            return Ensured.RESUMED
        return Ensured.EXISTS


def user_reconcile(*, tenant: Tenant, user_id: str, actor: str, reason: str = "") -> Reconciliation:
    """`job_ensure` for all that the user has connected, each in a transaction of its own: one that fails takes no
    other back. Audited, also where there was nothing to do. Raises JobRefused for a reason that is too long.
    """
    reason = reason_text(reason)
    with tenant_scope(tenant):
        shown = both_forms(tenant.pk, user_id)[0] or user_id
        done = Reconciliation(shown, connected_platforms(tenant, user_id), database_now())
        for platform in done.connected:
            try:
                done.ensured[platform] = job_ensure(
                    tenant=tenant, user_id=user_id, platform=platform, actor=actor, reason=reason
                )
            except JobRefused as error:
                done.failures[platform] = " ".join(error.errors.values())
            except JobNotFound:
                done.failures[platform] = "Its job was deleted while this looked at it. Ask again."
            except DatabaseError as error:
                logger.exception("a monitoring job of %s could not be made", platform)
                done.failures[platform] = f"The database refused the job ({type(error).__name__})."
        with transaction.atomic():
            audit(
                actor=actor,
                action="platforms.reconcile",
                tenant=tenant,
                object_type="user",
                object_id=shown[:100],
                reason=reason,
                data={"connected": done.connected, "ensured": done.ensured, "failures": done.failures},
            )
    return done


def _changed(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    return sorted(
        name
        for name in before.keys() | after.keys()
        if (name in before, before.get(name)) != (name in after, after.get(name))
    )


def _audit(tenant: Tenant, connection: Connection, action: str, actor: str, **data: Any) -> None:
    user_id = connection.user_id or str(connection.legacy_user_id)
    audit(
        actor=actor,
        action=action,
        tenant=tenant,
        object_type="connection",
        object_id=f"{connection.platform} of {user_id}"[:100],
        data=data,
    )
