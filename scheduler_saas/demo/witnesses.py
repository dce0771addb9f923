"""What a verdict is made from: rows of the ledger, of the terms and of the receiver's record, as plain values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from scheduler_saas.demo.oracle import Definition


@dataclass(frozen=True, slots=True)
class WatchedJob:
    """A job of the demo. `before` and `after` are the database's clock around its saving."""

    id: int
    definition: Definition
    before: datetime
    after: datetime


@dataclass(frozen=True, slots=True)
class LedgerRow:
    """A finished execution of a tick, or with `status` "pending" one that never finished."""

    execution_id: int
    job_id: int
    scheduled_for: datetime
    run_at: datetime
    created_at: datetime
    status: str
    target: str = ""
    epoch: int | None = None
    attempts: int = 1
    started_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class SkippedRange:
    job_id: int
    first: datetime
    last: datetime
    count: int
    epoch: int | None = None


@dataclass(frozen=True, slots=True)
class Try:
    """An Attempt row."""

    execution_id: int
    attempt: int
    outcome: str


@dataclass(frozen=True, slots=True)
class Delivery:
    """A request as the receiver noted it. `job` is its name for the job: the id in the body, or the body's digest."""

    tenant: str
    execution_id: int
    job: str
    scheduled_for: datetime
    attempt: int
    signature_ok: bool


@dataclass(frozen=True, slots=True)
class TermRow:
    epoch: int
    started_at: datetime
    heartbeat_at: datetime
    ended_at: datetime | None
    end_reason: str = ""
    replica: str = ""


@dataclass(frozen=True, slots=True)
class Fault:
    """What befell the leader of `epoch`. `at` is the database's clock right before, so that a takeover seems longer if
    anything."""

    at: datetime
    epoch: int


@dataclass(frozen=True, slots=True)
class History:
    """All that a verdict is made of. `stopped_at` is the database's clock when the demo decided to stop; the schedulers
    went on until their cursors were past it. `faults` are those of leaders, in their order. `others` are executions of
    no concern here (triggered by hand, or of jobs that a visitor made) that the receiver may know.
    """

    jobs: Sequence[WatchedJob]
    rows: Sequence[LedgerRow]
    skips: Sequence[SkippedRange]
    tries: Sequence[Try]
    deliveries: Sequence[Delivery]
    terms: Sequence[TermRow]
    started_at: datetime
    stopped_at: datetime
    others: frozenset[int] = frozenset()
    faults: Sequence[Fault] = ()
