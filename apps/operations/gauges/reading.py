"""Reading every gauge, one after the other, each bounded in time."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import cache
from pathlib import Path

from django.conf import settings
from django.db import DatabaseError, connection

from apps.jobs.models import PLATFORM_CATEGORY
from apps.jobs.platforms.services import Ensured
from apps.jobs.states import LATE
from apps.operations.gauges.bounds import bounded
from apps.operations.gauges.families import HOT_TABLES, READS
from apps.operations.gauges.sweeps import platforms_without_job
from apps.tenants.context import all_tenants_scope

logger = logging.getLogger(__name__)
ERRORS = "scheduler_gauge_errors"
_SWEEPS: dict[str, Callable[[], float]] = {"platforms_without_job": platforms_without_job}
_IN_ORDER = [Ensured.CREATED.value, Ensured.EXISTS.value]


def read_gauges() -> dict[str, float]:
    """Every gauge by its Prometheus name with labels sorted, e.g. `scheduler_dead_tuples{table="jobs_cursor"}`.

    A read that fails, or takes longer than STATEMENT_SECONDS, is logged and counted in `scheduler_gauge_errors`; its
    gauges are missing, the others are there. Raises DatabaseError when there is no database to ask.

    What it costs grows with the tenants (an index look-up each, for most reads), with what was skipped and counted in
    the last hour, and with what is due and live; not with jobs nor with the ledger. With a thousand tenants, a hundred
    thousand jobs, 20,000 live executions and 250,000 skips of the last hour it takes about half a second, a tenth of
    which is the sweep. Two numbers have to be bounded:

    - `scheduler_stat_drift_cycles` compares each tenant's totals with its tallies, two rows that the folds of
      completions, imports and retention write in one statement. So it sees totals that went astray on every read and
      for every tenant, and is never off for what is not folded yet. It does not count the ledger again, and has no
      opinion of the ticks that were found and skipped: `reconcile cumulative_stats` has, tenant by tenant.
    - `scheduler_platforms_without_job` has to look into each tenant's schema. A read looks into as many as a tenth of a
      second allows, first into those where something was missing the last time (`sweeps`).
    """
    gauges: dict[str, float] = {ERRORS: 0.0}
    with connection.cursor() as cursor:  # outside the nets below: without a database there is nothing to tell
        cursor.execute("SELECT 1")
    for name, families in READS.items():
        try:
            found = {name: _SWEEPS[name]()} if name in _SWEEPS else _read(name)
        except DatabaseError:
            if connection.connection is None or connection.connection.closed:
                raise
            logger.exception("the gauges of %s could not be read", name)
            gauges[ERRORS] += 1
            continue
        if name in _SWEEPS:
            found = {families[0].name: found[name]}
        gauges |= {sample: 0.0 for family in families for sample in family.samples} | found
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
        cursor.execute(_statement(name), params)
        return {sample: float(value) for sample, value in cursor.fetchall()}


@cache
def _statement(name: str) -> str:
    return (Path(__file__).parent / "sql" / f"{name}.sql").read_text(encoding="utf-8")
