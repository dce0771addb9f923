"""The shared tables with a tenant's rows, as the database knows them."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from django.db import connection

from apps.operations.statements import sql

# What stays of a deleted tenant, and is not deleted with the others' statement.
KEPT = frozenset({"tenants_tenant", "tenants_auditentry"})
LEDGER = "executions_executionlog"


class Span(NamedTuple):
    """A partition's bounds."""

    begins: datetime
    ends: datetime


class Table(NamedTuple):
    """`spans` are those of its partitions, oldest first; none where it has none. Their default partition has none."""

    name: str
    spans: tuple[Span, ...]


def tenant_tables() -> list[Table]:
    """Tables of the public schema with a `tenant_id`, those that refer to others before the others."""
    with connection.cursor() as cursor:
        cursor.execute(sql("read_tenant_tables"))
        found = {name: set(referred) for name, referred in cursor.fetchall()}
        cursor.execute(sql("read_tenant_spans"))
        spans: dict[str, list[Span]] = {}
        for name, begins, ends in cursor.fetchall():
            spans.setdefault(name, []).append(Span(begins, ends))
    return [Table(name, tuple(spans.get(name, ()))) for name in _referring_first(found)]


def _referring_first(refers_to: dict[str, set[str]]) -> list[str]:
    ordered: list[str] = []
    left = {name: referred - {name} for name, referred in refers_to.items()}
    while left:
        free = sorted(name for name in left if not any(name in others for others in left.values()))
        if not free:
            raise RuntimeError(f"tables that refer to each other in a circle: {', '.join(sorted(left))}")
        ordered += free
        for name in free:
            del left[name]
    return ordered
