from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from time import monotonic
from typing import Any

import psycopg

from apps.executions import queue
from apps.executions.leases import Lease, Leases, overdue
from apps.leadership.refusals import record_late_renewals
from apps.tenants import machine

logger = logging.getLogger(__name__)
RETRY_SECONDS = 0.5


class Heartbeat(threading.Thread):
    """Renews a worker's leases, all in one statement, from a thread and a session of its own.

    A handler that blocks the event loop keeps this from nothing. `on_lost` is called here, in this thread, with the
    leases that the database no longer knows as ours, or that have run out while it could not be reached. `hurry` has
    the next renewal done at once.
    """

    def __init__(
        self,
        leases: Leases,
        *,
        worker: str,
        lease_seconds: float,
        every: float,
        on_lost: Callable[[list[Lease]], None],
    ) -> None:
        super().__init__(name="heartbeat", daemon=True)
        self._leases = leases
        self._worker = worker
        self._lease_seconds, self._every = lease_seconds, every
        self._on_lost = on_lost
        self._stopping, self._wake = threading.Event(), threading.Event()
        self._connection: psycopg.Connection[tuple[Any, ...]] | None = None

    def stop(self) -> None:
        self._stopping.set()
        self._wake.set()

    def hurry(self) -> None:
        self._wake.set()

    def run(self) -> None:
        wait = 0.0  # connects: when there is a lease to renew, there may be no room for a session any more
        while True:
            self._wake.wait(wait)
            self._wake.clear()  # before the renewal: what comes during it asks for another
            if self._stopping.is_set():
                break
            leases = self._leases.copy()
            try:
                lost = self._renew(leases)
                wait = self._every
            except psycopg.Error as error:
                logger.warning("leases were not renewed: %s", error)
                self._disconnect()
                lost = overdue(leases)
                wait = min(RETRY_SECONDS, self._every)
            if lost:
                self._on_lost(lost)
                self._record(lost)
        self._disconnect()

    def _renew(self, leases: list[Lease]) -> list[Lease]:
        if self._connection is None or self._connection.closed:
            self._connection = machine.connect(
                application_name=f"scheduler worker {self._worker} renews"[:63],
                session_settings=queue.PINNED_PLANS,
            )
        if not leases:
            return []
        deadline = monotonic() + self._lease_seconds
        call = queue.renew([lease.held for lease in leases], lease_seconds=self._lease_seconds)
        with self._connection.cursor() as cursor:
            renewed = call.on(cursor)
        for lease in leases:
            if lease.execution.token in renewed:
                lease.deadline = deadline
        return [lease for lease in leases if lease.execution.token not in renewed]

    def _record(self, lost: list[Lease]) -> None:
        """Put on record, once a lease, that one which had been taken back was to be renewed."""
        if self._connection is None:  # nobody refused them: they ran out while there was no server
            return
        news = [lease for lease in lost if not lease.refused]
        if not news:
            return
        for lease in news:
            lease.refused = True
        try:
            with self._connection.cursor() as cursor:
                renewals = queue.count_lost([lease.execution for lease in news]).on(cursor)
        except psycopg.Error as error:
            logger.warning("whether leases were taken back is not known: %s", error)
            return
        if renewals:
            record_late_renewals(self._connection, worker=self._worker, renewals=renewals)

    def _disconnect(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None
