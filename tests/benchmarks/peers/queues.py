"""Peers with a worker and a queue: started on a database of their own, filled by a second process."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import psycopg

from tests.benchmarks.bench import emptied
from tests.benchmarks.databases import empty_database
from tests.benchmarks.peers.install import NotMeasured, node_command, python_command, version_of
from tests.benchmarks.running import Processes, processes

__all__ = ["PEERS", "NotMeasured", "Peer", "RunningPeer", "running_peer"]


@dataclass(frozen=True, slots=True)
class Peer:
    """`rows` take it a second or a few; its rows of `table` that are `live` wait or run."""

    name: str
    command: Callable[[str], tuple[str, ...]]
    driver: str
    rows: int
    table: str
    live: str = "true"


PEERS = {
    "pgqueuer": Peer("pgqueuer", python_command, "pgqueuer_driver", 20_000, "pgqueuer"),
    "graphile-worker": Peer(
        "graphile-worker",
        node_command,
        "graphile_worker",
        20_000,
        "graphile_worker._private_jobs",
    ),
    "procrastinate": Peer(
        "procrastinate",
        python_command,
        "procrastinate_driver",
        1_000,
        "procrastinate_jobs",
        "status IN ('todo', 'doing')",
    ),
}


class RunningPeer:
    """Its worker runs and waits."""

    def __init__(self, peer: Peer, url: str, children: Processes, session: psycopg.Connection) -> None:  # type: ignore[type-arg]
        self.peer, self._url, self.children, self._session = peer, url, children, session
        self._number = 0

    @property
    def title(self) -> str:
        return version_of(self.peer.name)

    def fill(self, rows: int) -> float:
        """Puts so many jobs into the queue; when that was committed, in seconds since the epoch."""
        return float(self._do("fill", rows, "filled"))

    def trickle(self, jobs: int) -> list[float]:
        """Milliseconds from each call that puts a job into the queue to the job's first line."""
        before = len(self.children.lags("work"))
        self._do("trickle", jobs, "trickled")
        self.children.wait_for(lambda: len(self.children.lags("work")) >= before + jobs, "all jobs ran")
        return self.children.lags("work")[before:]

    def emptied(self) -> Callable[[], bool]:
        """Whether its queue, which has just been filled, is empty."""
        return emptied(self._session, self.peer.table, self.peer.live)

    def _do(self, mode: str, number: int, said: str) -> str:
        self._number += 1
        name = f"{mode}-{self._number}"
        command = self.peer.command(self.peer.driver)
        self.children.start_command(name, [*command, mode, self._url, str(number)])
        return self.children.wait_for_line(name, said, within=120, ended=True)


@contextmanager
def running_peer(peer: Peer) -> Iterator[RunningPeer]:
    """Raises NotMeasured."""
    command = peer.command(peer.driver)
    with (
        empty_database(f"bench_{peer.name.replace('-', '_')}") as url,
        processes(database=url, logs_in=peer.name) as children,
        psycopg.connect(url, autocommit=True) as session,
    ):
        children.start_command("work", [*command, "work", url, "0"])
        children.wait_for_line("work", "ready")
        yield RunningPeer(peer, url, children, session)
