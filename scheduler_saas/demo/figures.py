"""What the live table shows, read from the database once a second."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from time import monotonic
from typing import Any

import psycopg

_TOTALS = """
SELECT coalesce(sum(tasks_found - tasks_skipped), 0)::bigint, coalesce(sum(tasks_executed), 0)::bigint,
       coalesce(sum(tasks_failed), 0)::bigint, coalesce(sum(tasks_skipped), 0)::bigint
FROM executions_tenanttotals
"""
_TERM = """
SELECT replica, process_id, epoch FROM leadership_leaderterm WHERE ended_at IS NULL ORDER BY epoch DESC LIMIT 1
"""
_QUEUE = "SELECT count(*) FILTER (WHERE state = 'pending'), count(*) FROM executions_execution"
# By tenant, so that the ledger's index on (tenant_id, scheduled_for) is used and the table's size does not matter.
_LAGS = """
SELECT percentile_cont(ARRAY[0.5, 0.99]) WITHIN GROUP (ORDER BY extract(epoch FROM l.started_at - l.run_at) * 1000)
FROM tenants_tenant t
JOIN executions_executionlog l ON l.tenant_id = t.id
WHERE l.scheduled_for > clock_timestamp() - interval '10 seconds' AND l.scheduled_for <= clock_timestamp()
  AND l.kind = 'scheduled' AND l.attempts = 1
"""


@dataclass(frozen=True, slots=True)
class Figures:
    """`per_second` is over the last five samples; lags are milliseconds over the last ten seconds."""

    leader: str
    epoch: int | None
    fired: int
    succeeded: int
    failed: int
    skipped: int
    per_second: float
    lag_p50: float | None
    lag_p99: float | None
    waiting: int
    running: int


class Watch:
    """Reads on a session of its own that sees all tenants."""

    def __init__(self, session: psycopg.Connection[tuple[Any, ...]]) -> None:
        self._session = session
        self._samples: deque[tuple[float, int]] = deque(maxlen=6)

    def read(self) -> Figures:
        fired, succeeded, failed, skipped = self._row(_TOTALS)
        term = self._session.execute(_TERM).fetchone()
        waiting, live = self._row(_QUEUE)
        (lags,) = self._row(_LAGS)
        self._samples.append((monotonic(), succeeded + failed))
        (first_at, first), (last_at, last) = self._samples[0], self._samples[-1]
        return Figures(
            leader=f"{term[0]} (process {term[1]})" if term else "none",
            epoch=term[2] if term else None,
            fired=fired,
            succeeded=succeeded,
            failed=failed,
            skipped=skipped,
            per_second=(last - first) / (last_at - first_at) if last_at > first_at else 0.0,
            lag_p50=lags[0] if lags else None,
            lag_p99=lags[1] if lags else None,
            waiting=waiting,
            running=live - waiting,
        )

    def _row(self, sql: Any) -> tuple[Any, ...]:
        row = self._session.execute(sql).fetchone()
        assert row is not None  # noqa: S101 - aggregates always have one
        return row
