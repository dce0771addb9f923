"""What can only be seen from inside each tenant: looked at tenant by tenant, as far as there is time, and remembered.

The memory is the process's. One that has just started knows what it had time to see; with a thousand tenants and a read
each 15 s, all of them have been seen after a few minutes.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable

from django.db import DatabaseError, connection

from apps.jobs.platforms.selectors import unmonitored
from apps.operations.gauges.bounds import bounded, statement
from apps.tenants.context import all_tenants_scope, tenant_scope
from apps.tenants.models import Tenant

logger = logging.getLogger(__name__)
BUDGET_SECONDS = 0.1
AT_LEAST = 10  # tenants, however long it takes: on a busy machine, too, it goes on


class Sweep:
    """What `look` finds in each active tenant. One thread at a time looks; the others get what it found before."""

    def __init__(self, look: Callable[[Tenant], float], *, budget: float = BUDGET_SECONDS) -> None:
        self._look, self._budget = look, budget
        self._found: dict[int, float] = {}  # by tenant, the one looked at longest ago first
        self._sweeping = threading.Lock()

    def __call__(self) -> list[float]:
        if self._sweeping.acquire(blocking=False):
            try:
                self._sweep()
            finally:
                self._sweeping.release()
        return list(self._found.values())

    def _sweep(self) -> None:
        started = time.monotonic()
        with all_tenants_scope():
            active = {tenant.pk: tenant for tenant in Tenant.objects.filter(status=Tenant.Status.ACTIVE)}
        for gone in self._found.keys() - active.keys():
            del self._found[gone]
        suspects = [active[pk] for pk, n in self._found.items() if n]
        others = [tenant for pk, tenant in active.items() if pk not in self._found]
        others += [active[pk] for pk, n in self._found.items() if not n]
        self._look_at(suspects, until=started + self._budget / 2)
        self._look_at(others, until=started + self._budget)

    def _look_at(self, tenants: Iterable[Tenant], *, until: float) -> None:
        for looked_at, tenant in enumerate(tenants):
            if looked_at >= AT_LEAST and time.monotonic() > until:
                return
            try:
                with tenant_scope(tenant), bounded():
                    n = self._look(tenant)
            except DatabaseError:
                if connection.connection is None or connection.connection.closed:
                    raise
                logger.exception("tenant %s could not be looked into", tenant.pk)
                n = self._found.get(tenant.pk, 0)
            self._found.pop(tenant.pk, None)  # to the end
            self._found[tenant.pk] = n


def _ticks_drift(tenant: Tenant) -> float:
    with connection.cursor() as cursor:
        cursor.execute(statement("ticks_drift"), {"tenant_id": tenant.pk})
        row = cursor.fetchone()
    return float(row[0]) if row else 0.0


_platforms = Sweep(lambda tenant: len(unmonitored(tenant)))
_ticks = Sweep(_ticks_drift)


def platforms_without_job() -> dict[str, float]:
    """Of all tenants that were looked into so far."""
    return {"scheduler_platforms_without_job": float(sum(_platforms()))}


def ticks_drift() -> dict[str, float]:
    """Of the worst of them."""
    return {"scheduler_stat_drift_cycles": max(_ticks(), default=0.0)}
