"""The backfill of a tenant. It keeps no state: it looks for what is left, and may be started again at any time."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from django.db import transaction

from apps.operations.user_ids.filling import Filled, fill
from apps.operations.user_ids.left import USERS_AT_ONCE, Left, UserLeft, unresolved, users_left
from apps.operations.user_ids.tables import TABLES, Table
from apps.tenants.context import tenant_scope
from apps.tenants.models import Tenant, UserIdentity
from apps.tenants.services import audit

BATCH = 2000  # rows
MAX_PASSES = 5


@dataclass(slots=True)
class TableCounts:
    """`strings` and `integers` were filled in this run. `left` rows are mapped and not filled: a dry run's all, else
    those that somebody held, that came meanwhile, or that a unique key refused (`conflicts`). `unresolved` have an
    integer that nobody has mapped.
    """

    strings: int = 0
    integers: int = 0
    conflicts: int = 0
    left: int = 0
    unresolved: int = 0

    def add(self, filled: Filled) -> None:
        self.strings += filled.strings
        self.integers += filled.integers
        self.conflicts += filled.conflicts


@dataclass(slots=True)
class BackfillReport:
    """By table. `total` is what was found to fill, for progress; rows may have come since."""

    tenant: str
    dry_run: bool
    total: int = 0
    tables: dict[str, TableCounts] = field(
        default_factory=lambda: {table.name: TableCounts() for table in TABLES}
    )

    @property
    def done(self) -> int:
        return sum(counts.strings + counts.integers for counts in self.tables.values())

    @property
    def payload(self) -> dict[str, Any]:
        columns = TableCounts.__slots__
        return {
            "tenant": self.tenant,
            "dry_run": self.dry_run,
            "tables": {
                name: {column: getattr(counts, column) for column in columns}
                for name, counts in self.tables.items()
            },
        }


Progress = Callable[[BackfillReport], None]


def user_ids_backfill(
    *,
    tenant: Tenant,
    batch: int = BATCH,
    pause: float = 0.0,
    dry_run: bool = False,
    actor: str,
    progress: Progress = lambda report: None,
) -> BackfillReport:
    """Fill what the identity table knows, `batch` rows a transaction, with `pause` seconds after each.

    Passes are repeated for rows that were held or came meanwhile, while that helps and up to MAX_PASSES times.
    """
    report = BackfillReport(tenant.schema_name, dry_run)
    with tenant_scope(tenant):
        _look(tenant, report)
        if not dry_run and report.total:
            _audit(tenant, actor, "begin", {"rows": report.total})
            for _ in range(MAX_PASSES):
                done = report.done
                _pass(tenant, report, batch, pause, progress)
                if report.done == done or not _look(tenant, report):
                    break
            _look(tenant, report)
            _audit(tenant, actor, "finish", report.payload)
        for table in TABLES:
            report.tables[table.name].unresolved = unresolved(tenant, table)
    return report


def _look(tenant: Tenant, report: BackfillReport) -> int:
    """How many rows are left; into the report too."""
    for counts in report.tables.values():
        counts.left = 0
    for user in users_left(tenant):
        for part in user.parts:
            report.tables[part.table.name].left += part.rows
    left = sum(counts.left for counts in report.tables.values())
    report.total = report.done + left
    return left


def _pass(tenant: Tenant, report: BackfillReport, batch: int, pause: float, progress: Progress) -> None:
    for counts in report.tables.values():
        counts.conflicts = 0
    for table, identities in _together(users_left(tenant), batch):
        for filled in fill(table, identities, batch=batch):
            report.tables[table.name].add(filled)
            progress(report)
            time.sleep(pause)


def _together(users: Iterator[UserLeft], batch: int) -> Iterator[tuple[Table, list[UserIdentity]]]:
    """Users by table, as many as have about a batch of rows between them; one with more than that is alone."""
    waiting: dict[str, list[Left]] = defaultdict(list)
    for user in users:
        for part in user.parts:
            group = waiting[part.table.name]
            if group and (sum(one.rows for one in group) + part.rows > batch or len(group) >= USERS_AT_ONCE):
                yield part.table, [one.identity for one in group]
                group.clear()
            group.append(part)
    for group in filter(None, waiting.values()):
        yield group[0].table, [one.identity for one in group]


def _audit(tenant: Tenant, actor: str, step: str, data: dict[str, Any]) -> None:
    with transaction.atomic():
        audit(
            actor=actor, action=f"user_ids.backfill_{step}", tenant=tenant, object_type="user_ids", data=data
        )
