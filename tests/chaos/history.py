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
    """`opened` or `ended` a term, or `dispatched` or `skipped` times in it."""

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
    """An interval job: due at `anchor` and every `seconds` after, but not before it was made, at `since`; `next_run_at`
    is where its cursor stands.
    """

    id: int
    anchor: datetime
    seconds: int
    next_run_at: datetime | None
    since: datetime


@dataclass(frozen=True, slots=True)
class Logged:
    """A row of the ledger."""

    id: int
    job_id: int
    scheduled_for: datetime
    status: str
    attempts: int
    tenant: str = ""


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
    worker: str = ""


@dataclass(frozen=True, slots=True)
class Run:
    """What the task itself wrote down, outside the database, when it was called."""

    execution_id: int
    attempt: int
    job_id: int
    scheduled_for: datetime


@dataclass(frozen=True, slots=True)
class Delivery:
    """A request that `tenant`'s endpoint got. `text` is all of it."""

    tenant: str
    execution_id: int
    attempt: int
    webhook_id: str
    genuine: bool
    text: str


@dataclass(frozen=True, slots=True)
class Text:
    """Words found `where`: among what `tenant` alone can read, or, where that is empty, what all or on-call can."""

    tenant: str
    where: str
    words: str


@dataclass(slots=True)
class History:
    """All of it, after the end. `stopped_at` is the database's time when the last leader had been told to stop.

    `witnessed` are rows of the ledger that somebody had seen before a crash of the server. `told_to_stop` are workers.
    `canaries` are words that belong to one tenant, by tenant. `repairs` are what reconcile said of its runs.
    """

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
    witnessed: set[Logged] = field(default_factory=set)
    told_to_stop: set[str] | None = None  # not known
    deliveries: list[Delivery] = field(default_factory=list)
    canaries: dict[str, str] = field(default_factory=dict)
    texts: list[Text] = field(default_factory=list)
    repairs: list[str] = field(default_factory=list)


_LEDGER = (
    "SELECT l.id, job_id, scheduled_for, l.status, attempts, t.schema_name"
    " FROM executions_executionlog l JOIN tenants_tenant t ON t.id = l.tenant_id"
)
#: What on-call can read, and what any tenant's words have no business in.
_SHARED = {
    "the ledger": "SELECT error_message FROM executions_executionlog",
    "the attempts": "SELECT error_message FROM executions_attempt",
    "the jobs": "SELECT to_json(j)::text FROM jobs_job j",
    "the journal": "SELECT concat(event_data, error_message) FROM leadership_schedulerevent",
}


def read(session: Session, *, commits: list[Commit], runs: Path, stopped_at: datetime) -> History:
    """Everything the database and the tasks wrote down, but for what tenants alone can read."""

    def rows(sql: Any) -> list[tuple[Any, ...]]:
        return session.execute(sql).fetchall()

    totals = rows(
        "SELECT coalesce(sum(tasks_found), 0)::bigint, coalesce(sum(tasks_skipped), 0)::bigint"
        " FROM executions_tenanttotals"
    )[0]
    return History(
        stopped_at=stopped_at,
        commits=commits,
        terms=[
            Term(*row)
            for row in rows(
                "SELECT epoch, term_id::text, started_at, ended_at FROM leadership_leaderterm ORDER BY epoch"
            )
        ],
        jobs=[
            Job(*row)
            for row in rows(
                "SELECT j.id, j.anchor_at, j.interval_seconds, c.next_run_at, j.schedule_since"
                " FROM jobs_job j JOIN jobs_cursor c ON c.job_id = j.id ORDER BY j.id"
            )
        ],
        ledger=read_ledger(session),
        skips=[Skipped(*row) for row in rows("SELECT job_id, first, last, count FROM executions_skip")],
        attempts=[
            Attempt(*row)
            for row in rows(
                "SELECT execution_id, attempt, outcome, worker FROM executions_attempt"
                " UNION ALL"
                " SELECT id, attempts, outcome, worker FROM executions_executionlog WHERE lease_token IS NOT NULL"
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
        texts=[Text("", where, words) for where, sql in _SHARED.items() for (words,) in rows(sql) if words],
    )


def read_ledger(session: Session) -> list[Logged]:
    return [Logged(*row) for row in session.execute(_LEDGER)]


def read_outputs(history: History, tenants: list[Any]) -> None:
    """What only their tenants can read, by each in its own scope: results, and errors in full."""
    for tenant in tenants:
        with tenant_scope(tenant):
            for id_, result, error in ExecutionOutput.objects.values_list(
                "execution_id", "result", "error_text"
            ):
                history.texts.append(
                    Text(tenant.schema_name, f"the output of {id_}", f"{json.dumps(result)} {error}")
                )
                if isinstance(result, dict):  # a task's own, or the answer of an endpoint
                    said = json.loads(result["body"]) if "body" in result else result
                    history.results[id_] = said["attempt"]


def read_log(history: History, log: Path) -> None:
    """Of the processes' lines those that hold any tenant's words, and reconcile's."""
    with log.open(errors="replace") as lines:
        for line in lines:
            if any(word in line for word in history.canaries.values()):
                history.texts.append(Text("", "the log", line.strip()))
            if '"reconciled_at"' in line:
                history.repairs.append(line.strip())


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


def read_deliveries(history: History, deliveries: list[Delivery]) -> None:
    """A delivery is a run, too."""
    history.deliveries = list(deliveries)
    ledger = {row.id: row for row in history.ledger}
    for delivery in deliveries:
        if (row := ledger.get(delivery.execution_id)) is not None:
            history.runs.append(Run(row.id, delivery.attempt, row.job_id, row.scheduled_for))
