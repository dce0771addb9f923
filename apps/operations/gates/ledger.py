"""Gate 2: each tick once, written in its leader's term, and none lost."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg

from apps.executions.ticks import TICKS
from apps.jobs.models import Job
from apps.jobs.schedules import database_now
from apps.jobs.standing import Fate
from apps.jobs.states import Switch, Trigger
from apps.jobs.why import why_between
from apps.operations.gates.probing import Session, probe
from apps.operations.gates.report import Check
from apps.tenants.context import tenant_scope
from apps.tenants.models import Tenant

DAYS = 7
SECONDS = 3.0  # of a scan; the day before is begun while they last
JOBS, HOURS = 25, 1
_WITHOUT_INDEX = """
SELECT c.relname
FROM (
    SELECT relid, 'public.executionlog_one_per_tick' AS index FROM pg_partition_tree('public.executions_executionlog')
    UNION ALL SELECT 'public.executions_execution'::regclass, 'public.execution_one_per_tick'
) AS part
JOIN pg_class c ON c.oid = part.relid
WHERE NOT EXISTS (
    SELECT FROM pg_index x
    WHERE x.indrelid = part.relid AND x.indisunique AND x.indisvalid AND x.indisready
        AND to_regclass(part.index) IN (
            SELECT x.indexrelid::regclass UNION ALL SELECT relid FROM pg_partition_ancestors(x.indexrelid)
        )
)
ORDER BY c.relname
"""
_TWICE = """
SELECT job_id, scheduled_for, count(*)
FROM executions_executionlog
WHERE scheduled_for >= %(since)s AND scheduled_for < %(until)s AND kind = ANY(%(ticks)s) AND job_id IS NOT NULL
GROUP BY job_id, scheduled_for, kind
HAVING count(*) > 1
LIMIT 1
"""
_LIVE_AND_ENDED = """
SELECT live.job_id, live.scheduled_for, 2
FROM executions_execution live
JOIN executions_executionlog log USING (job_id, scheduled_for, kind)
WHERE live.kind = ANY(%(ticks)s) AND log.scheduled_for >= %(since)s AND log.scheduled_for < %(until)s
LIMIT 1
"""
# A row is made in its term: after it began, and before it ended, for each transaction of a leader holds its term open.
_OUT_OF_TERM = """
SELECT log.job_id, log.scheduled_for, log.epoch
FROM executions_executionlog log
LEFT JOIN leadership_leaderterm term ON term.epoch = log.epoch
WHERE log.scheduled_for >= %(since)s AND log.scheduled_for < %(until)s AND log.kind = 'scheduled' AND (
    log.epoch >= (SELECT min(epoch) FROM leadership_leaderterm) AND term.epoch IS NULL
    OR log.created_at < term.started_at OR log.created_at > term.ended_at
)
LIMIT 1
"""


def duplicate_checks() -> Iterator[Check]:
    with probe() as session:
        bare = [name for (name,) in session.execute(_WITHOUT_INDEX)]
        yield Check(
            "one row a tick is a rule of the database",
            not bare,
            f"Without its valid unique index: {', '.join(bare[:5])}."
            if bare
            else "The queue, the ledger and each of its partitions have the unique index, and it is valid.",
        )
        (found, live), scanned = _scan(session, _TWICE, _LIVE_AND_ENDED)
    double = found or live
    yield Check(
        "no tick was run twice",
        not double and scanned.enough,
        f"Job {double[0]} has {double[2]} executions of {double[1]:%Y-%m-%d %H:%M:%S} UTC."
        if double
        else f"No duplicates by job and time {scanned}.",
    )


def epoch_checks() -> Iterator[Check]:
    with probe() as session:
        (found,), scanned = _scan(session, _OUT_OF_TERM)
    yield Check(
        "each row is of its epoch's term",
        not found and scanned.enough,
        f"Job {found[0]} at {found[1]:%Y-%m-%d %H:%M:%S} UTC says epoch {found[2]}, and was not made in that term."
        if found
        else f"None was made outside its term {scanned}.",
    )


def tick_checks() -> Iterator[Check]:
    """By what `why` says of interval jobs that were due not long ago."""
    now = database_now()
    since = now - timedelta(hours=HOURS)
    jobs = Job.objects.select_related("cursor", "tenant__plan").filter(
        trigger_type=Trigger.INTERVAL,
        switch=Switch.ACTIVE,
        deleted_at=None,
        tenant__status=Tenant.Status.ACTIVE,
        cursor__last_scheduled_for__gte=since,
    )
    lost: list[str] = []
    sample = list(jobs.order_by("-cursor__last_scheduled_for")[:JOBS])
    times = 0
    for job in sample:
        with tenant_scope(job.tenant):
            entries = why_between(tenant=job.tenant, job=job, start=since, until=now).entries
        times += sum(entry.count or 0 for entry in entries)
        lost += [
            f"{entry.count} of job {job.id} from {entry.first:%H:%M:%S}"
            for entry in entries
            if entry.fate is Fate.NOT_RECORDED
        ]
    yield Check(
        "no tick is lost",
        not lost,
        f"Times that nothing records: {', '.join(lost[:3])}."
        if lost
        else f"{times} times of {len(sample)} interval jobs in the last hour are accounted for.",
    )


class _Scanned:
    """How far a scan came."""

    def __init__(self) -> None:
        self.days = 0

    @property
    def enough(self) -> bool:
        return self.days > 0

    def __str__(self) -> str:
        if not self.enough:
            return "could be ruled out: not even today could be read in time"
        return f"in the last {self.days} days" if self.days > 1 else "today"


def _scan(session: Session, *queries: str) -> tuple[list[Any], _Scanned]:
    """The first finding of each query, day by day back from now, as far as SECONDS go."""
    scanned = _Scanned()
    found: list[Any] = [None for _ in queries]
    began = time.monotonic()
    since = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    until = since + timedelta(days=3_650)
    while scanned.days < DAYS and time.monotonic() - began < SECONDS:
        params = {"since": since, "until": until, "ticks": list(TICKS)}
        try:
            with session.transaction():
                found = [
                    before or session.execute(query, params).fetchone()
                    for before, query in zip(found, queries, strict=True)
                ]
        except psycopg.errors.QueryCanceled:
            break
        scanned.days += 1
        since, until = since - timedelta(days=1), since
    return found, scanned
