"""What on-call has to know at a glance, over all tenants: a dozen queries, each on an index or a small table."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import connection
from django.db.models import Count, Min, Q, Sum

from apps.executions.ledger import Unplaced, unplaced
from apps.executions.models import Counter
from apps.executions.states import Outcome
from apps.jobs.models import Cursor
from apps.jobs.schedules import database_now
from apps.jobs.states import FAILING_IN_A_ROW, LATE
from apps.leadership.report import Report, read_report
from apps.operations.alerts.selectors import StandingAlert, alert_states
from apps.operations.charts import Hour, Queue, read_day, read_queue
from apps.operations.health import Verdict, verdict
from apps.tenants.models import Tenant

WORST = 10  # tenants and jobs shown


@dataclass(frozen=True, slots=True)
class FailingTenant:
    """`failed` and `executed` are of this hour and the one before; `failing_jobs` failed FAILING_IN_A_ROW times."""

    id: int
    name: str
    failed: int
    executed: int
    failing_jobs: int
    quarantined_jobs: int


@dataclass(frozen=True, slots=True)
class Overview:
    """`late` are due jobs that have been due for longer than LATE, `late_jobs` the worst of them. `replicas` is what
    the terms, the lock and the sessions say. `hours` are those of the last day, and `more_skips` says that
    the earliest of them had more skips than they show. `quarantined` counts jobs. `unplaced`
    is what lies in the ledger's default partitions. `alerts` as they were evaluated last.
    """

    now: datetime
    replicas: Report
    due: int
    late: int
    oldest_due_seconds: float | None
    late_jobs: list[Cursor]
    queue: Queue
    oldest_pending_seconds: float | None
    hours: list[Hour]
    more_skips: bool
    failing: list[FailingTenant]
    failing_jobs: list[Cursor]
    quarantined: int
    suspended: int
    unplaced: list[Unplaced]
    alerts: list[StandingAlert]

    @property
    def verdict(self) -> Verdict:
        return verdict(self)


def overview() -> Overview:
    """Call it in the scope of all tenants."""
    now = database_now()
    due = Cursor.objects.filter(next_run_at__lte=now)
    cursors = due.aggregate(
        due=Count("*"), late=Count("pk", filter=Q(next_run_at__lt=now - LATE)), oldest=Min("next_run_at")
    )
    late = due.filter(next_run_at__lt=now - LATE).order_by("next_run_at") if cursors["late"] else due.none()
    queue = read_queue(now)
    hours, more_skips = read_day(now)
    troubled = _troubled()
    return Overview(
        now=now,
        replicas=read_report(),
        due=cursors["due"],
        late=cursors["late"],
        oldest_due_seconds=_age(now, cursors["oldest"]),
        late_jobs=list(late.select_related("job", "tenant")[:WORST]),
        queue=queue,
        oldest_pending_seconds=_age(now, queue.oldest),
        hours=hours,
        more_skips=more_skips,
        failing=_failing(now, troubled),
        failing_jobs=_failing_jobs() if troubled else [],
        quarantined=sum(each["quarantined"] for each in troubled.values()),
        suspended=Tenant.objects.filter(status=Tenant.Status.SUSPENDED).count(),
        unplaced=_unplaced(),
        alerts=alert_states(),
    )


def _unplaced() -> list[Unplaced]:
    with connection.cursor() as cursor:
        return unplaced().on(cursor)


_IN_TROUBLE = Q(consecutive_failures__gte=FAILING_IN_A_ROW) | Q(quarantined_at__isnull=False)


def _troubled() -> dict[int, dict[str, int]]:
    """Failing and quarantined jobs by tenant."""
    return {
        row["tenant_id"]: {"failing": row["failing"], "quarantined": row["quarantined"]}
        for row in Cursor.objects.filter(_IN_TROUBLE, job__deleted_at=None)
        .values("tenant_id")
        .annotate(
            failing=Count("pk", filter=Q(consecutive_failures__gte=FAILING_IN_A_ROW)),
            quarantined=Count("pk", filter=Q(quarantined_at__isnull=False)),
        )
        .order_by()
    }


def _failing_jobs() -> list[Cursor]:
    """The jobs that failed most often in a row."""
    rows = Cursor.objects.filter(_IN_TROUBLE, job__deleted_at=None).select_related("job", "tenant")
    return list(rows.order_by("-consecutive_failures", "job_id")[:WORST])


def _failing(now: datetime, troubled: dict[int, dict[str, int]]) -> list[FailingTenant]:
    since = now.replace(minute=0, second=0, microsecond=0) - timedelta(hours=1)
    finished: dict[int, dict[str, int]] = defaultdict(dict)
    counted = Counter.objects.filter(hour__gte=since).values("tenant_id", "status").annotate(total=Sum("n"))
    for row in counted.order_by():
        finished[row["tenant_id"]][row["status"]] = row["total"]
    failed = {
        tenant_id: counts[Outcome.FAILED]
        for tenant_id, counts in finished.items()
        if counts.get(Outcome.FAILED)
    }
    worst = sorted(
        failed.keys() | troubled.keys(),
        key=lambda tenant_id: (
            -troubled.get(tenant_id, {}).get("quarantined", 0),
            -failed.get(tenant_id, 0),
            tenant_id,
        ),
    )[:WORST]
    names = dict(Tenant.objects.filter(pk__in=worst).values_list("pk", "schema_name"))
    return [
        FailingTenant(
            id=tenant_id,
            name=names.get(tenant_id, f"tenant {tenant_id}"),
            failed=failed.get(tenant_id, 0),
            executed=sum(finished.get(tenant_id, {}).values()),
            failing_jobs=troubled.get(tenant_id, {}).get("failing", 0),
            quarantined_jobs=troubled.get(tenant_id, {}).get("quarantined", 0),
        )
        for tenant_id in worst
    ]


def _age(now: datetime, instant: datetime | None) -> float | None:
    return round((now - instant).total_seconds(), 1) if instant is not None else None
