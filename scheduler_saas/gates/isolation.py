"""Gate 1: the system checks of isolation, as they stand."""

from __future__ import annotations

from collections.abc import Iterator

from django.db import DEFAULT_DB_ALIAS

from apps.operations.gates.report import Check
from scheduler_saas.checks import isolation_holds


def isolation_checks() -> Iterator[Check]:
    wrong = [message.msg for message in isolation_holds(databases=[DEFAULT_DB_ALIAS])]
    yield Check(
        "row security is forced",
        not wrong,
        " ".join(wrong[:3])
        if wrong
        else "The role is plain; shared tables have policies, partitions none, and row security is forced on all.",
    )
