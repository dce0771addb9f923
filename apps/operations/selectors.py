"""What on-call has to know at a glance, over all tenants: a handful of queries, each on an index or a small table."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import connection
from django.db.models import Count, Min, Q, Sum
from django.db.models.functions import TruncHour

from apps.executions.ledger import Unplaced, unplaced
from apps.executions.models import Counter, Execution
from apps.executions.states import Outcome, State
from apps.jobs.models import Cursor
from apps.jobs.schedules import database_now
from apps.jobs.states import FAILING_IN_A_ROW
from apps.leadership.selectors import LeadershipStatus, leadership_status
from apps.tenants.models import Tenant

LATE = timedelta(seconds=15)  # the grace that jobs have by default
WORST = 10  # tenants shown


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
    """`late` are due jobs that have been due for longer than LATE. Hours are UTC's, by when the executions finished.

    `unplaced` is what lies in the ledger's default partitions.
    """

    now: datetime
    leadership: LeadershipStatus
    due: int
    late: int
    oldest_due_seconds: float | None
    pending: int
    leased: int
    oldest_pending_seconds: float | None
    outcomes: dict[str, dict[str, int]]
    failing: list[FailingTenant]
    suspended: int
    unplaced: list[Unplaced]

    @property
    def hours(self) -> list[tuple[str, int, int]]:
        """Rows of a table: hour, succeeded, failed."""
        return [
            (hour, counts.get(Outcome.SUCCESS, 0), counts.get(Outcome.FAILED, 0))
            for hour, counts in self.outcomes.items()
        ]


def overview() -> Overview:
    """Call it in the scope of all tenants."""
    now = database_now()
    this_hour = now.replace(minute=0, second=0, microsecond=0)
    hours = {"this hour": this_hour, "the hour before": this_hour - timedelta(hours=1)}
    cursors = Cursor.objects.filter(next_run_at__lte=now).aggregate(
        due=Count("*"), late=Count("pk", filter=Q(next_run_at__lt=now - LATE)), oldest=Min("next_run_at")
    )
    live = Execution.objects.aggregate(
        pending=Count("pk", filter=Q(state=State.PENDING)),
        leased=Count("pk", filter=Q(state=State.LEASED)),
        oldest=Min("run_at", filter=Q(state=State.PENDING, run_at__lte=now)),
    )
    finished = list(
        Counter.objects.filter(hour__gte=hours["the hour before"])
        .annotate(at=TruncHour("hour"))
        .values("at", "tenant_id", "status")
        .annotate(total=Sum("n"))
        .order_by()
    )
    outcomes: dict[str, dict[str, int]] = {name: defaultdict(int) for name in hours}
    for row in finished:
        for name, hour in hours.items():
            if row["at"] == hour:
                outcomes[name][row["status"]] += row["total"]
    by_tenant: dict[int, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for row in finished:
        by_tenant[row["tenant_id"]][row["status"]] += row["total"]
    return Overview(
        now=now,
        leadership=leadership_status(),
        due=cursors["due"],
        late=cursors["late"],
        oldest_due_seconds=_age(now, cursors["oldest"]),
        pending=live["pending"],
        leased=live["leased"],
        oldest_pending_seconds=_age(now, live["oldest"]),
        outcomes={name: dict(counts) for name, counts in outcomes.items()},
        failing=_failing(by_tenant),
        suspended=Tenant.objects.filter(status=Tenant.Status.SUSPENDED).count(),
        unplaced=_unplaced(),
    )


def _unplaced() -> list[Unplaced]:
    with connection.cursor() as cursor:
        return unplaced().on(cursor)


def _failing(finished: dict[int, dict[str, int]]) -> list[FailingTenant]:
    troubled: dict[int, dict[str, int]] = {
        row["tenant_id"]: {"failing": row["failing"], "quarantined": row["quarantined"]}
        for row in Cursor.objects.filter(job__deleted_at=None)
        .filter(Q(consecutive_failures__gte=FAILING_IN_A_ROW) | Q(quarantined_at__isnull=False))
        .values("tenant_id")
        .annotate(
            failing=Count("pk", filter=Q(consecutive_failures__gte=FAILING_IN_A_ROW)),
            quarantined=Count("pk", filter=Q(quarantined_at__isnull=False)),
        )
        .order_by()
    }
    failed = {
        tenant_id: counts.get(Outcome.FAILED, 0)
        for tenant_id, counts in finished.items()
        if counts.get(Outcome.FAILED, 0)
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
