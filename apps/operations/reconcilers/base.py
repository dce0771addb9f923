"""What a reconciler is, and what it finds and does."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol

from apps.tenants.context import all_tenants_scope
from apps.tenants.models import Tenant


class CannotRepair(Exception):
    """Drift that a person has to look at; the message is a sentence that says why."""


@dataclass(frozen=True, slots=True)
class Scope:
    """Where to look: one tenant or all of them (None), and there at these objects or at every one (None)."""

    tenant: Tenant | None = None
    object_ids: tuple[int, ...] | None = None


@dataclass(frozen=True, slots=True)
class Drift:
    """One thing that is not as it should be. `found` and `wanted` are what is stored and what a repair stores.
    `object_type` says what `object_id` is the id of.
    """

    kind: str
    problem: str
    tenant_id: int
    object_id: int
    sentence: str
    label: str = ""
    object_type: str = "job"
    found: Mapping[str, Any] = field(default_factory=dict)
    wanted: Mapping[str, Any] = field(default_factory=dict)


def tenants_in(scope: Scope) -> list[Tenant]:
    """Of all tenants those that are to stay: what is being deleted is not in order, and is not put in order."""
    if scope.tenant is not None:
        return [scope.tenant]
    with all_tenants_scope():
        return list(Tenant.objects.exclude(status=Tenant.Status.DELETING).order_by("pk"))


class Result(StrEnum):
    """What became of one drift in a run."""

    FOUND = "found"  # a dry run left it as it is
    CREATED = "created"
    REPAIRED = "repaired"
    SKIPPED = "skipped"  # it was gone when its rows were locked: somebody else was quicker
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Repair:
    """What `repair` did. `drift` is what it saw under its lock, which may differ from what was found."""

    result: Result
    drift: Drift
    detail: str = ""  # of FAILED: why, where what can be done about it was done and has to stay


class Reconciler(Protocol):
    """One kind of drift. Both methods run in a scope that sees the tenants in question.

    `about` says what is found and what a repair does, to follow a colon.
    """

    kind: str
    title: str
    about: str

    def find(self, scope: Scope) -> Iterator[Drift]:
        """All drift of the kind, reading only."""
        ...

    def repair(self, drift: Drift) -> Repair:
        """Lock, look again, and put right what is still wrong. Idempotent; runs in a transaction of its own.

        Raises CannotRepair.
        """
        ...
