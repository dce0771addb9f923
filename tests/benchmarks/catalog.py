"""Every benchmark there is, in the order in which they run. Each is a module with `run(bench) -> Result`."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module

from tests.benchmarks.bench import Bench, Result

BENCHMARKS = {
    "dispatch": "100,000 due cursors of 1,000 tenants become executions",
    "noop": "no-op executions a second, one worker",
    "start_latency": "from enqueueing to the first line of the task, an idle worker",
    "tick_lag": "100 jobs every second",
    "flat_tenants": "a tick's cost with 10, 1,000 and 10,000 tenants",
    "flat_history": "a claim's cost with a long history, and after much churn",
    "http": "signed deliveries a second from one worker",
    "http_hanging": "others' start lag while one tenant's endpoint hangs",
    "fairness": "another tenant's ten jobs beside 100,000 of one",
    "memory": "resident memory of a worker and of a scheduler",
    "ledger_reads": "pages of the ledger at any size",
    "migrating": "a thousand tenants brought up to a release",
    "web": "requests a second and latency through gunicorn",
}


def load(name: str) -> Callable[[Bench], Result]:
    run: Callable[[Bench], Result] = import_module(f"tests.benchmarks.{name}").run
    return run
