"""What becomes of an execution after an attempt: the ledger, or another try. Pure."""

from __future__ import annotations

from apps.executions.queue import Claimed, Failed, Finished
from apps.executions.states import AttemptOutcome
from apps.executions.targets.context import TargetResult
from apps.executions.targets.outcome import storable

MAX_MESSAGE = 500


def delay_before_retry(row: Claimed, result: TargetResult, *, spread: float) -> float | None:
    """Seconds until the next attempt, None when this was the last. `spread` is a random number from 0 to 1.

    With b = min(limit, delay · 2^(failures - 1)) of the job's own delay and limit it is b/2 + spread · b/2: "equal
    jitter" of Marc Brooker, "Exponential Backoff And Jitter" (AWS Architecture Blog, 2015). What failed together, as
    all jobs of an endpoint do, comes back over half of b. His "full jitter" spreads over all of b but may come back at
    once, and somebody who set a delay is owed one.

    Where the receiver asked for more than b/2 it is that plus spread · b/2: never sooner, and not all at one instant.
    A worker that was lost, or told to stop, uses up no attempt.
    """
    failures = row.attempt - row.lost - row.released
    if result.ok or result.permanent or failures >= row.max_attempts:
        return None
    doubled = row.retry_delay_seconds * 2.0 ** min(max(failures, 1) - 1, 32)
    half = min(doubled, float(row.retry_max_delay_seconds)) / 2
    return max(half, result.retry_after or 0.0) + half * spread


def failed_attempt(
    row: Claimed, result: TargetResult, *, started: float, finished: float, delay: float
) -> Failed:
    """Of an execution that will be tried again. Times are the database's clock."""
    return {
        "id": row.id,
        "token": row.token,
        "outcome": _failure(result).value,
        "error_message": _message(result),
        "started": started,
        "finished": finished,
        "delay": delay,
    }


def end(row: Claimed, result: TargetResult, *, started: float, finished: float) -> Finished:
    """Of an execution that is over. Times are the database's clock."""
    stored = storable(result.result) or ""
    if result.ok:
        return Finished(row.id, row.token, AttemptOutcome.SUCCESS.value, started, finished, result=stored)
    return Finished(
        row.id,
        row.token,
        _failure(result).value,
        started,
        finished,
        error_message=_message(result),
        result=stored,
        error_text=result.detail or result.error,
        gone=result.gone,
    )


def _failure(result: TargetResult) -> AttemptOutcome:
    return AttemptOutcome.TIMEOUT if result.timed_out else AttemptOutcome.FAILED


def _message(result: TargetResult) -> str:
    return (result.error or "it failed")[:MAX_MESSAGE]
