"""What a worker moves. Scraped from the worker's process (METRICS_PORT)."""

from __future__ import annotations

from collections import Counter as Count
from collections.abc import Iterable
from functools import cache

from prometheus_client import Counter

from apps.executions.queue import Claimed
from apps.executions.states import AttemptOutcome
from apps.executions.targets import builtin, endpoint, registry
from apps.leadership.histograms import Histogram

start_lag = Histogram(
    "scheduler_start_lag_seconds", "From when an execution might have started to when it did, in a worker."
)
run_seconds = Histogram(
    "scheduler_run_seconds", "How long targets ran, by kind: http, async, process, unknown.", label="target"
)
attempts = Counter("scheduler_attempts", "Attempts whose end this worker wrote, by outcome.", ["outcome"])
for _outcome in AttemptOutcome.values:
    attempts.labels(_outcome)

_SENDS = (builtin.__name__, endpoint.__name__)


@cache
def kind_of(target: str) -> str:
    """Not its name, which is a deployment's own and may be a customer's."""
    try:
        definition = registry.get(target)
    except registry.UnknownTask:
        return "unknown"
    if not definition.is_async:
        return "process"
    return "http" if definition.function.__module__ in _SENDS else "async"


def ran(row: Claimed, began: float, ended: float) -> None:
    """Count one run. Times are the database's, in seconds since 1970."""
    start_lag.observe(began - row.run_at.timestamp())
    run_seconds.observe(ended - began, of=kind_of(row.target))


def ended(outcomes: Iterable[str]) -> None:
    """Count a batch of ends that was written."""
    for outcome, n in Count(outcomes).items():
        attempts.labels(outcome).inc(n)
