"""What happened, read from the database and the receiver's record once everything has stopped."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import psycopg

from scheduler_saas.demo.witnesses import (
    Delivery,
    Fault,
    History,
    LedgerRow,
    SkippedRange,
    TermRow,
    Try,
    WatchedJob,
)

Session = psycopg.Connection[tuple[Any, ...]]

# A job that somebody edited, paused or deleted meanwhile has no one definition any more.
_UNTOUCHED = """
SELECT id FROM jobs_job
WHERE id = ANY (%(jobs)s) AND version = 1 AND switch = 'active' AND paused_at IS NULL AND deleted_at IS NULL
"""
_FINISHED = """
SELECT id, job_id, scheduled_for, run_at, created_at, status, target, epoch, attempts, started_at
FROM executions_executionlog WHERE kind = 'scheduled' AND job_id = ANY (%(jobs)s)
"""
_LEFT = """
SELECT id, job_id, scheduled_for, run_at, created_at, 'pending', target, epoch, attempt
FROM executions_execution WHERE kind = 'scheduled' AND job_id = ANY (%(jobs)s)
"""
_OTHERS = """
SELECT id FROM executions_executionlog WHERE NOT (kind = 'scheduled' AND job_id = ANY (%(jobs)s))
UNION ALL
SELECT id FROM executions_execution WHERE NOT (kind = 'scheduled' AND job_id = ANY (%(jobs)s))
"""
_SKIPS = "SELECT job_id, first, last, count, epoch FROM executions_skip WHERE job_id = ANY (%(jobs)s)"
_TRIES = """
SELECT execution_id, attempt, outcome FROM executions_attempt
UNION ALL
SELECT id, attempts, outcome FROM executions_executionlog WHERE lease_token IS NOT NULL
"""
_TERMS = """
SELECT epoch, started_at, heartbeat_at, ended_at, end_reason, replica FROM leadership_leaderterm ORDER BY epoch
"""


def read_history(
    session: Session,
    *,
    jobs: Sequence[WatchedJob],
    deliveries: Sequence[Delivery],
    started_at: datetime,
    stopped_at: datetime,
    faults: Sequence[Fault],
) -> History:
    """Of the jobs among `jobs` that nobody touched since they were made."""
    untouched = {row[0] for row in session.execute(_UNTOUCHED, {"jobs": [job.id for job in jobs]})}
    params = {"jobs": sorted(untouched)}
    finished = [LedgerRow(*row) for row in session.execute(_FINISHED, params)]
    left = [LedgerRow(*row) for row in session.execute(_LEFT, params)]
    return History(
        jobs=[job for job in jobs if job.id in untouched],
        rows=[*finished, *left],
        skips=[SkippedRange(*row) for row in session.execute(_SKIPS, params)],
        tries=[Try(*row) for row in session.execute(_TRIES)],
        deliveries=deliveries,
        terms=[TermRow(*row) for row in session.execute(_TERMS)],
        started_at=started_at,
        stopped_at=stopped_at,
        others=frozenset(row[0] for row in session.execute(_OTHERS, params)),
        faults=faults,
    )


def read_deliveries(record: Path) -> list[Delivery]:
    """The receiver's record, a JSON object a line."""
    deliveries = []
    with record.open(encoding="utf-8") as lines:
        for line in lines:
            noted = json.loads(line)
            deliveries.append(
                Delivery(
                    tenant=noted["tenant"],
                    execution_id=noted["execution"],
                    job=noted["job"],
                    scheduled_for=datetime.fromisoformat(noted["scheduled_for"]),
                    attempt=noted["attempt"],
                    signature_ok=noted["ok"],
                )
            )
    return deliveries
