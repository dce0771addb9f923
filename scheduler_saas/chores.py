"""What a worker does beside its executions, once in a while and in no hurry: give connected platforms their jobs,
evaluate alerts, send notifications.

Each in a thread of its own with a connection of its own, so that nothing here holds up an execution or another chore;
whatever goes wrong is logged and tried again the next time.
"""

from __future__ import annotations

import logging
import threading
from collections import Counter
from collections.abc import Sequence
from time import monotonic
from typing import Protocol

from django.conf import settings
from django.db import DatabaseError, connection

from apps.leadership.alone import alone
from apps.leadership.locks import Lock
from apps.operations.alerts.evaluation import evaluate_alone
from apps.operations.notifications.sending import NotificationChore
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
_JUST_NOW = 0.7  # of an interval: then another worker's evaluation will do
STOP_SECONDS = 2.0  # what a run may still take after SIGTERM before it is left to its rollback


class Chore(Protocol):
    name: str  # for the log
    interval: float  # seconds; 0: never

    def run_once(self) -> dict[str, int]:
        """What was done, by name."""


class PlatformChore:
    """Reconciles every active tenant's platforms, while no other process does."""

    name = "platform jobs"

    def __init__(self, stopping: threading.Event | None = None, interval: float | None = None) -> None:
        self.interval = settings.PLATFORM_RECONCILE_INTERVAL if interval is None else interval
        self._stopping = stopping or threading.Event()
        # By tenant: what could not be repaired, and when (monotonic) it is tried again.
        self._hopeless: dict[int, tuple[float, set[Drift]]] = {}

    def run_once(self) -> dict[str, int]:
        """How many jobs were created, repaired and so on, as the reports count them; `busy` if another is at it.

        A tenant whose run fails is counted under `failed_tenants` and does not keep the others from theirs.
        """
        counts: Counter[str] = Counter()
        with alone(Lock.PLATFORM_JOBS) as held:
            if not held:
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


class AlertChore:
    """Evaluates the alerts, once an interval however many workers there are."""

    name = "alerts"

    def __init__(self, interval: float | None = None) -> None:
        self.interval = settings.ALERTS_INTERVAL if interval is None else interval

    def run_once(self) -> dict[str, int]:
        changes = evaluate_alone(unless_within=self.interval * _JUST_NOW)
        return {"began": len(changes.began), "ended": len(changes.ended)} if changes else {}


def _all(stopping: threading.Event) -> list[Chore]:
    return [PlatformChore(stopping), AlertChore(), NotificationChore(stopping)]


class Chores:
    """Runs each chore at the start and then every `interval` seconds of its own, until `stop`."""

    def __init__(self, chores: Sequence[Chore] | None = None) -> None:
        self._stopping = threading.Event()
        chosen: Sequence[Chore] = chores if chores is not None else _all(self._stopping)
        # Daemons: a run that hangs in a statement must not keep the process from ending.
        self._threads = [
            threading.Thread(target=self._loop, args=(chore,), name=chore.name, daemon=True)
            for chore in chosen
            if chore.interval > 0
        ]

    def __enter__(self) -> Chores:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.stop()
        until = monotonic() + STOP_SECONDS
        for thread in self._threads:
            thread.join(max(0.0, until - monotonic()))

    def stop(self) -> None:
        """Begin nothing more. Fit for a signal handler of an event loop: it waits for nothing."""
        self._stopping.set()

    def _loop(self, chore: Chore) -> None:
        while not self._stopping.is_set():
            try:
                if did := {name: n for name, n in chore.run_once().items() if n}:
                    logger.info("%s: %s", chore.name, ", ".join(f"{n} {name}" for name, n in did.items()))
            except Exception:  # a chore's error is the chore's alone
                logger.exception("%s: this run failed; trying again later", chore.name)
            finally:
                connection.close()
            self._stopping.wait(chore.interval)


def _what(item: Item) -> Drift:
    return item.drift.problem, item.drift.object_id
