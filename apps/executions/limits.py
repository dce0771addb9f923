from __future__ import annotations

from dataclasses import dataclass

from django.conf import settings


@dataclass(frozen=True, slots=True)
class Limits:
    """What one worker may take and how long things may last: seconds, but for the counts."""

    lease: float
    heartbeat: float
    poll: float
    drain: float
    concurrency: int
    processes: int

    @classmethod
    def from_settings(cls) -> Limits:
        return cls(
            lease=settings.LEASE_SECONDS,
            heartbeat=settings.LEASE_HEARTBEAT,
            poll=settings.WORKER_POLL,
            drain=settings.WORKER_DRAIN,
            concurrency=settings.WORKER_CONCURRENCY,
            processes=settings.WORKER_PROCESSES,
        )
