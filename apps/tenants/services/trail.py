"""What every service shares: how it refuses, and how it leaves a trail."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from apps.tenants.models import AuditEntry, Tenant


class Refused(ValueError):
    """A request that breaks a rule; the message is a sentence for the person who made it.

    `field` names what was wrong with it, where that is one thing.
    """

    def __init__(self, sentence: str, *, field: str = "") -> None:
        super().__init__(sentence)
        self.field = field


class NotAsItIs(Refused):
    """The object is not in a state that allows this."""


class NotAllowed(Refused):
    """It is beyond what the person or the key that asks may do."""


def audit(
    *,
    actor: str,
    action: str,
    tenant: Tenant | None = None,
    object_type: str = "",
    object_id: str | int = "",
    reason: str = "",
    data: Mapping[str, Any] | None = None,
) -> None:
    """Record who did what. Call it inside the transaction of the deed, in a scope that sees `tenant`."""
    # bulk_create, for it asks nothing back: the row may be one that this scope cannot read.
    AuditEntry.objects.bulk_create(
        [
            AuditEntry(
                tenant=tenant,
                actor=actor,
                action=action,
                object_type=object_type,
                object_id=str(object_id),
                reason=reason,
                data=dict(data or {}),
            )
        ]
    )
