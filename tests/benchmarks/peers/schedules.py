"""Due schedules that a peer turns into jobs in a second: each round a new process on a new database."""

from __future__ import annotations

import statistics
from collections.abc import Callable

from tests.benchmarks.databases import empty_database
from tests.benchmarks.peers.install import NotMeasured, node_command, python_command, version_of
from tests.benchmarks.running import processes

# How many of them are due: as many as take a few seconds.
_PEERS: dict[str, tuple[Callable[[str], tuple[str, ...]], str, int]] = {
    "pgqueuer": (python_command, "pgqueuer_driver", 5_000),
    "graphile-worker": (node_command, "graphile_worker", 5_000),
    "APScheduler": (python_command, "apscheduler_driver", 2_000),
    "procrastinate": (python_command, "procrastinate_driver", 1_000),
}


def measure_peers(rounds: int) -> tuple[dict[str, float], list[str]]:
    """Schedules a second by peer, and sentences on those that could not be measured."""
    rates: dict[str, list[float]] = {}
    unmeasured = []
    for number in range(rounds):
        for peer, (command, driver, due) in _PEERS.items():
            try:
                rates.setdefault(version_of(peer), []).append(_rate(command(driver), due))
            except NotMeasured as reason:
                if number == 0:
                    unmeasured.append(f"{peer} (not measured: {reason})")
    return {peer: statistics.median(measured) for peer, measured in rates.items() if measured}, unmeasured


def _rate(command: tuple[str, ...], due: int) -> float:
    with empty_database("bench_peer_schedules") as url, processes(database=url) as children:
        children.start_command("schedules", [*command, "schedules", url, str(due)])
        return due / float(children.wait_for_line("schedules", "seconds", within=180, ended=True))
