"""What one worker holds: its executions under lease, from the claim until their end is written."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from time import monotonic

from apps.executions.queue import Claimed, Held


@dataclass(slots=True, eq=False)
class Lease:
    """`deadline` (monotonic) is when the lease is over if nobody renews it, by a clock that is early, never late.
    `called` (monotonic) is when its target was, None until then. `refused`: the heartbeat was told that it has gone.
    """

    execution: Claimed
    deadline: float
    task: asyncio.Task[None] | None = None
    lost: bool = False
    called: float | None = None
    refused: bool = False

    def mark_called(self) -> None:
        self.called = monotonic()

    @property
    def held(self) -> Held:
        return {"id": self.execution.id, "token": self.execution.token}


class Leases:
    """By token, for an execution may be lost and claimed again by the same worker.

    The event loop adds and removes; the heartbeat's thread reads copies.
    """

    def __init__(self) -> None:
        self._by_token: dict[str, Lease] = {}

    def __len__(self) -> int:
        return len(self._by_token)

    def add(self, lease: Lease) -> None:
        self._by_token[lease.execution.token] = lease

    def remove(self, token: str) -> None:
        self._by_token.pop(token, None)

    def copy(self) -> list[Lease]:
        return list(self._by_token.copy().values())

    def lose(self, leases: list[Lease]) -> int:
        """Stop what runs without a lease; how many that were. In the event loop's thread."""
        stopped = 0
        for lease in leases:
            # One whose task is done waits to be written; the database will say that it is stale.
            if lease.task is not None and not lease.task.done() and not lease.lost:
                lease.lost = True
                self.remove(lease.execution.token)
                lease.task.cancel()
                stopped += 1
        return stopped


def overdue(leases: list[Lease]) -> list[Lease]:
    now = monotonic()
    return [lease for lease in leases if lease.deadline <= now]
