"""What happened: rows as plain values, read when all is over."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import psycopg

from apps.executions.models import ExecutionOutput
from apps.tenants.context import tenant_scope

Session = psycopg.Connection[tuple[Any, ...]]


@dataclass(frozen=True, slots=True)
class Commit:
    """`opened` or `ended` a term, or `dispatched` executions in it."""

    what: str
    epoch: int | None


@dataclass(frozen=True, slots=True)
class Term:
    epoch: int
    term_id: str
    started_at: datetime
    ended_at: datetime | None


@dataclass(frozen=True, slots=True)
class Job:
    """An interval job: due at `anchor` and every `seconds` after; `next_run_at` is where its cursor stands."""

    id: int
    anchor: datetime
    seconds: int
    next_run_at: datetime | None


@dataclass(frozen=True, slots=True)
class Logged:
    """A row of the ledger."""

    id: int
    job_id: int
    scheduled_for: datetime
    status: str
    attempts: int


@dataclass(frozen=True, slots=True)
class Skipped:
    job_id: int
    first: datetime
    last: datetime
    count: int


@dataclass(frozen=True, slots=True)
class Attempt:
    execution_id: int
    attempt: int
    outcome: str


@dataclass(frozen=True, slots=True)
class Run:
    """What the task itself wrote down, outside the database, when it was called."""

    execution_id: int
    attempt: int
    job_id: int
    scheduled_for: datetime


@dataclass(slots=True)
class History:
    """All of it, after the end. `stopped_at` is the database's time when the last leader had been told to stop."""

    stopped_at: datetime
    commits: list[Commit] = field(default_factory=list)
    terms: list[Term] = field(default_factory=list)
    jobs: list[Job] = field(default_factory=list)
    ledger: list[Logged] = field(default_factory=list)
    skips: list[Skipped] = field(default_factory=list)
    attempts: list[Attempt] = field(default_factory=list)
    runs: list[Run] = field(default_factory=list)
    results: dict[int, int] = field(default_factory=dict)  # by execution, the attempt whose result it is
    live: int = 0
    totals: dict[str, int] = field(default_factory=dict)
    counted: dict[str, int] = field(default_factory=dict)


def read(session: Session, *, commits: list[Commit], runs: Path, stopped_at: datetime) -> History:
    """Everything the database and the tasks wrote down."""

    def rows(sql: Any) -> list[tuple[Any, ...]]:
        return session.execute(sql).fetchall()

    totals = rows(
        "SELECT coalesce(sum(tasks_found), 0)::bigint, coalesce(sum(tasks_skipped), 0)::bigint"
        " FROM executions_tenanttotals"
    )[0]
    return History(
        stopped_at=stopped_at,
        commits=list(commits),
        terms=[
            Term(*row)
            for row in rows(
                "SELECT epoch, term_id::text, started_at, ended_at FROM leadership_leaderterm ORDER BY epoch"
            )
        ],
        jobs=[
            Job(*row)
            for row in rows(
                "SELECT j.id, j.anchor_at, j.interval_seconds, c.next_run_at"
                " FROM jobs_job j JOIN jobs_cursor c ON c.job_id = j.id ORDER BY j.id"
            )
        ],
        ledger=[
            Logged(*row)
            for row in rows("SELECT id, job_id, scheduled_for, status, attempts FROM executions_executionlog")
        ],
        skips=[Skipped(*row) for row in rows("SELECT job_id, first, last, count FROM executions_skip")],
        attempts=[
            Attempt(*row)
            for row in rows(
                "SELECT execution_id, attempt, outcome FROM executions_attempt"
                " UNION ALL"
                " SELECT id, attempts, outcome FROM executions_executionlog WHERE lease_token IS NOT NULL"
            )
        ],
        runs=read_runs(runs),
        live=rows("SELECT count(*) FROM executions_execution")[0][0],
        totals={"found": totals[0], "skipped": totals[1]},
        counted=dict(
            rows(
                "SELECT status, sum(n)::bigint FROM (SELECT status, n FROM executions_counter"
                " UNION ALL SELECT status, n FROM executions_delta) AS both_of_them GROUP BY status"
            )
        ),
    )


def read_results(tenants: list[Any]) -> dict[int, int]:
    """The outputs, which only their tenants can read."""
    found: dict[int, int] = {}
    for tenant in tenants:
        with tenant_scope(tenant):
            rows = ExecutionOutput.objects.filter(result__isnull=False)
            found |= dict(rows.values_list("execution_id", "result"))
    return found


def read_runs(path: Path) -> list[Run]:
    lines = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
    return [
        Run(
            line["execution_id"],
            line["attempt"],
            line["job_id"],
            datetime.fromisoformat(line["scheduled_for"]),
        )
        for line in lines
    ]
