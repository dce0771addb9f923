"""What a worker does beside its executions, once in a while and in no hurry: give connected platforms their jobs, and
send notifications.

Each in a thread of its own with a connection of its own, so that nothing here holds up an execution or another chore;
whatever goes wrong is logged and tried again the next time.
"""

from __future__ import annotations

import logging
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from django.conf import settings
from django.db import DatabaseError, connection

from apps.leadership.locks import CLASS, Lock
from apps.operations.reconcilers.base import Result
from apps.operations.reports import Item, ReconcileReport
from apps.operations.services import reconcile
from apps.tenants.context import all_tenants_scope
from apps.tenants.models import Tenant

logger = logging.getLogger(__name__)
KIND = "platform_jobs"
ACTOR = "worker"
REASON = "On the worker's schedule."
Drift = tuple[str, int]  # the problem, and the id of what has it
STOP_SECONDS = 2.0  # what a run may still take after SIGTERM before it is left to its rollback


class Chore(Protocol):
    name: str  # for the log

    def run_once(self) -> dict[str, int]:
        """What was done, by name."""


class PlatformChore:
    """Reconciles every active tenant's platforms, while no other process does."""

    name = "platform jobs"

    def __init__(self, stopping: threading.Event | None = None) -> None:
        self._stopping = stopping or threading.Event()
        self._hopeless: dict[int, set[Drift]] = {}  # by tenant: what could not be repaired the last time

    def run_once(self) -> dict[str, int]:
        """How many jobs were created, repaired and so on, as the reports count them; `busy` if another is at it.

        A tenant whose run fails is counted under `failed_tenants` and does not keep the others from theirs.
        """
        counts: Counter[str] = Counter()
        with _alone(Lock.PLATFORM_JOBS) as alone:
            if not alone:
                return {"busy": 1}
            with all_tenants_scope():
                tenants = list(Tenant.objects.filter(status=Tenant.Status.ACTIVE).order_by("pk"))
            for tenant in tenants:
                if self._stopping.is_set():
                    break
                try:
                    counts.update(self._reconciled(tenant))
                except DatabaseError:
                    if connection.connection is None or connection.connection.closed:
                        raise  # the database is away, and the lock with it
                    logger.exception("the platforms of %s could not be reconciled", tenant.schema_name)
                    counts["failed_tenants"] += 1
        return dict(counts)

    def _reconciled(self, tenant: Tenant) -> dict[str, int]:
        """Looks first: a run that finds nothing, or just what failed before, leaves no audit entry."""
        found = self._run(tenant, dry_run=True)
        if {_what(item) for item in found.items} <= self._hopeless.get(tenant.pk, set()):
            return {}
        done = self._run(tenant, dry_run=False)
        self._hopeless[tenant.pk] = {_what(item) for item in done.items if item.result is Result.FAILED}
        return done.counts

    def _run(self, tenant: Tenant, *, dry_run: bool) -> ReconcileReport:
        return reconcile(kinds=[KIND], tenant=tenant, dry_run=dry_run, reason=REASON, actor=ACTOR)


class Chores:
    """Runs the chore at the start and then every `interval` seconds, until `stop`. 0: never."""

    def __init__(self, interval: float | None = None, chore: Chore | None = None) -> None:
        self._interval = settings.PLATFORM_RECONCILE_INTERVAL if interval is None else interval
        self._stopping = threading.Event()
        self._chore: Chore = chore or PlatformChore(self._stopping)
        # A daemon: a run that hangs in a statement must not keep the process from ending.
        self._thread = threading.Thread(target=self._loop, name="chores", daemon=True)

    def __enter__(self) -> Chores:
        if self._interval > 0:
            self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.stop()
        if self._thread.ident is not None:
            self._thread.join(STOP_SECONDS)

    def stop(self) -> None:
        """Begin nothing more. Fit for a signal handler of an event loop: it waits for nothing."""
        self._stopping.set()

    def _loop(self) -> None:
        while not self._stopping.is_set():
            try:
                if did := {name: n for name, n in self._chore.run_once().items() if n}:
                    logger.info(
                        "%s: %s", self._chore.name, ", ".join(f"{n} {name}" for name, n in did.items())
                    )
            except Exception:  # a chore's error is the chore's alone
                logger.exception("%s: this run failed; trying again later", self._chore.name)
            finally:
                connection.close()
            self._stopping.wait(self._interval)


def _what(item: Item) -> Drift:
    return item.drift.problem, item.drift.object_id


@contextmanager
def _alone(lock: Lock) -> Iterator[bool]:
    """Whether this session holds `lock`. Not the lock of a transaction: one that lasts over every tenant's repair would
    keep vacuum waiting. If the session breaks, the lock goes to another process, and what both make is made once.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s, %s)", [CLASS, lock])
        held: bool = cursor.fetchone()[0]
    try:
        yield held
    finally:
        if held and connection.connection is not None and not connection.connection.closed:
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_unlock(%s, %s)", [CLASS, lock])
