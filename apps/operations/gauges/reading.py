"""Reading every gauge, one after the other, each bounded in time."""

from __future__ import annotations

import logging
from collections.abc import Callable

from django.conf import settings
from django.db import DatabaseError, connection

from apps.jobs.models import PLATFORM_CATEGORY
from apps.jobs.platforms.services import Ensured
from apps.jobs.states import LATE
from apps.operations.gauges.bounds import bounded, statement
from apps.operations.gauges.families import HOT_TABLES, READS
from apps.operations.gauges.sweeps import platforms_without_job, ticks_drift
from apps.tenants.context import all_tenants_scope

logger = logging.getLogger(__name__)
ERRORS = "scheduler_gauge_errors"
_SWEEPS: dict[str, Callable[[], dict[str, float]]] = {
    "platforms_without_job": platforms_without_job,
    "ticks_drift": ticks_drift,
}
_IN_ORDER = [Ensured.CREATED.value, Ensured.EXISTS.value]


def read_gauges() -> dict[str, float]:
    """Every gauge by its Prometheus name with labels sorted, e.g. `scheduler_dead_tuples{table="jobs_cursor"}`.

    A read that fails, or takes longer than STATEMENT_SECONDS, is logged and counted in `scheduler_gauge_errors`; its
    gauges are missing, the others are there. Raises DatabaseError when there is no database to ask.

    What it costs grows with the tenants (an index look-up each, for most reads), with what was skipped and counted in
    the last hour, and with what is due and live; not with jobs nor with the ledger. With a thousand tenants, a hundred
    thousand jobs, 20,000 live executions and 250,000 skips of the last hour it took 0.9 s on two busy cores, 0.4 s of
    it the sweeps. Two numbers have to be bounded:

    - `scheduler_stat_drift_cycles` does not count the ledger again; `reconcile cumulative_stats` does. What was
      executed and failed it compares, for every tenant, with tallies, which the folds of completions, imports and
      retention write in the same statement as the totals. What was found and skipped it adds up tenant by tenant from
      counters, skips and live rows, as many tenants a read as a tenth of a second allows, first those that were off
      the last time (`sweeps`). None of it is off for what is not folded yet.
    - `scheduler_platforms_without_job` has to look into each tenant's schema, and does so in the same way.
    """
    gauges: dict[str, float] = {ERRORS: 0.0}
    with connection.cursor() as cursor:  # outside the nets below: without a database there is nothing to tell
        cursor.execute("SELECT 1")
    for name, families in READS.items():
        try:
            found = _SWEEPS[name]() if name in _SWEEPS else _read(name)
        except DatabaseError:
            if connection.connection is None or connection.connection.closed:
                raise
            logger.exception("the gauges of %s could not be read", name)
            gauges[ERRORS] += 1
            continue
        found = {sample: 0.0 for family in families for sample in family.samples} | found
        gauges |= {sample: max(value, gauges.get(sample, 0.0)) for sample, value in found.items()}
    return gauges


def _read(name: str) -> dict[str, float]:
    params = {
        "trust_window": settings.LEADER_TRUST_WINDOW,
        "late_seconds": LATE.total_seconds(),
        "platform_category": PLATFORM_CATEGORY,
        "in_order": _IN_ORDER,
        "hot_tables": list(HOT_TABLES),
    }
    with all_tenants_scope(), bounded() as cursor:
        cursor.execute(statement(name), params)
        return {sample: float(value) for sample, value in cursor.fetchall()}
