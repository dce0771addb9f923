"""A batch into the ledger. Everything happens in the transaction that the caller has open."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from django.db import connection

from apps.executions.importing.parsing import LegacyRow
from apps.executions.sql import statement

_COPY = f"COPY pg_temp.import_stage ({', '.join(LegacyRow._fields)}) FROM STDIN"


class Loaded(NamedTuple):
    """`repeated` were in the ledger already, by their id in the old system."""

    accepted: int
    repeated: int


def load(*, tenant_id: int, rows: Sequence[LegacyRow]) -> Loaded:
    """Stage `rows`, then move them to the ledger with their outputs and the deltas of the counters."""
    if not rows:
        return Loaded(0, 0)
    with connection.cursor() as cursor:
        cursor.execute(statement("create_import_stage"))
        cursor.execute("DELETE FROM pg_temp.import_stage")
        with cursor.copy(_COPY) as copy:
            for row in rows:
                copy.write_row(row)
        cursor.execute(statement("import_logs"), {"tenant_id": tenant_id})
        staged, logged = cursor.fetchone()
    return Loaded(logged, staged - logged)
