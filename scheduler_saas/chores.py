"""What a worker does beside its executions, once in a while and in no hurry: give connected platforms their jobs.

In a thread of its own with a connection of its own, so that nothing here holds up an execution; whatever goes wrong is
logged and tried again the next time.
"""

from __future__ import annotations

import logging
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic

from django.conf import settings
from django.db import DatabaseError, connection

from apps.leadership.locks import CLASS, Lock
from apps.operations.reconcilers.base import Result
from apps.operations.reports import Item, ReconcileReport
from apps.operations.services import reconcile, run_failed
from apps.tenants.context import all_tenants_scope
from apps.tenants.models import Tenant

logger = logging.getLogger(__name__)
KIND = "platform_jobs"
ACTOR = "worker"
REASON = "On the worker's schedule."
Drift = tuple[str, int]  # the problem, and the id of what has it
TRIED_AGAIN_SECONDS = 1800.0  # what failed before: twice an hour it is counted as a failure again
STOP_SECONDS = 2.0  # what a run may still take after SIGTERM before it is left to its rollback


class PlatformChore:
    """Reconciles every active tenant's platforms, while no other process does."""

    def __init__(self, stopping: threading.Event | None = None) -> None:
        self._stopping = stopping or threading.Event()
        # By tenant: what could not be repaired, and when (monotonic) it is tried again.
        self._hopeless: dict[int, tuple[float, set[Drift]]] = {}

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
        """Looks first: a run that finds nothing, or for a while just what failed before, leaves no audit entry."""
        try:
            found = {_what(item) for item in self._run(tenant, dry_run=True).items}
        except DatabaseError as error:
            self._failed(tenant, error)
            raise
        until, known = self._hopeless.get(tenant.pk, (0.0, set[Drift]()))
        if not found or (found <= known and monotonic() < until):
            return {}
        done = self._run(tenant, dry_run=False)
        failed = {_what(item) for item in done.items if item.result is Result.FAILED}
        self._hopeless[tenant.pk] = (monotonic() + TRIED_AGAIN_SECONDS, failed)
        return done.counts

    def _failed(self, tenant: Tenant, error: DatabaseError) -> None:
        """On record once in a while, like what cannot be repaired: the run may fail every few seconds."""
        if connection.connection is None or connection.connection.closed:
            return  # there is nothing to write it to
        what: Drift = (type(error).__name__, tenant.pk)
        until, known = self._hopeless.get(tenant.pk, (0.0, set[Drift]()))
        if what not in known or monotonic() >= until:
            run_failed(kinds=[KIND], tenant=tenant, reason=REASON, actor=ACTOR, error=error)
            self._hopeless[tenant.pk] = (monotonic() + TRIED_AGAIN_SECONDS, {what})

    def _run(self, tenant: Tenant, *, dry_run: bool) -> ReconcileReport:
        return reconcile(kinds=[KIND], tenant=tenant, dry_run=dry_run, reason=REASON, actor=ACTOR)


class Chores:
    """Runs the chore at the start and then every `interval` seconds, until `stop`. 0: never."""

    def __init__(self, interval: float | None = None, chore: PlatformChore | None = None) -> None:
        self._interval = settings.PLATFORM_RECONCILE_INTERVAL if interval is None else interval
        self._stopping = threading.Event()
        self._chore = chore or PlatformChore(self._stopping)
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
                    logger.info("platform jobs: %s", ", ".join(f"{n} {name}" for name, n in did.items()))
            except Exception:  # a chore's error is the chore's alone
                logger.exception("platform jobs could not be reconciled; trying again later")
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
