"""What a target is given and what it gives back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from time import time
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from apps.executions.targets.http import HttpClient

_OF_THE_SCHEDULE = ("scheduled", "backfill")  # of these a job has one at most at a time
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class ExecutionContext:
    """Which execution this is. Plain values only, so that it can be sent to another process.

    `tenant` is the schema's name. `scheduled_for` is the nominal instant, `run_at` the earliest start; both UTC.
    `job_id` and `user_id` are None where the execution has none.
    """

    execution_id: int
    tenant: str
    job_id: int | None
    job_name: str
    attempt: int
    epoch: int
    scheduled_for: datetime
    run_at: datetime
    timeout_seconds: float
    user_id: str | None = None
    kind: str = "scheduled"

    @property
    def message_id(self) -> str:
        """The `webhook-id`: the same for every attempt of an execution, so that a receiver can tell a repeat.

        The job and its time, not the execution's number alone: a database that lost commits, in a failover or by a
        restore, hands out numbers again. So a time that is run again keeps its id, and no other run is taken for it.
        What a person asked for is of no time of the schedule; there the number tells one request from another.
        """
        named = f"exec_{self.job_id}_{(self.scheduled_for - _EPOCH) // timedelta(microseconds=1)}"
        return named if self.kind in _OF_THE_SCHEDULE else f"{named}_{self.execution_id}"


class JsonText(str):
    """A value as JSON, with nothing in it that jsonb would refuse."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class TargetResult:
    """What became of one attempt.

    `result` is JSON-able; when it has been made storable, a JsonText. `error` is one line for a log, `detail` the long
    text (a traceback). `retry_after` is the delay in seconds that the receiver asked for. `permanent` says that another
    attempt cannot help, `gone` that no later run of the job can either, `timed_out` that it was ended for taking too
    long.
    """

    status: Literal["ok", "failed"]
    result: Any = None
    error: str = ""
    detail: str = ""
    retry_after: float | None = None
    permanent: bool = False
    timed_out: bool = False
    gone: bool = False

    @property
    def ok(self) -> bool:
        return self.status == "ok"


class TargetFailed(Exception):
    """Raised by a target to fail in its own words, and to say how to go on (`permanent`, `retry_after` seconds).

    On-call reads `message` in the ledger: it quotes nothing of the tenant's. Only the tenant reads `result`.
    """

    def __init__(
        self, message: str, *, permanent: bool = False, retry_after: float | None = None, result: Any = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.permanent = permanent
        self.retry_after = retry_after
        self.result = result


@dataclass(frozen=True, slots=True)
class EndpointContent:
    """The tenant's endpoint. `secrets` are `whsec_…`, the current one first; each of them signs (rotation)."""

    url: str
    secrets: list[str] = field(default_factory=list, repr=False)


@dataclass(frozen=True, slots=True)
class Resources:
    """What async targets work with. `secrets` are the tenant's named signing secrets: name to `whsec_…` values.
    `clock` says the time, in seconds since 1970; a worker's follows the database's, not its machine's.
    """

    http: HttpClient
    endpoint: EndpointContent | None = None
    secrets: Mapping[str, list[str]] = field(default_factory=dict, repr=False)
    clock: Callable[[], float] = time
