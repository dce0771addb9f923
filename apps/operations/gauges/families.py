"""What each gauge means, and which read it comes from."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import product
from typing import NamedTuple

from apps.executions.states import Outcome, SkipReason, State
from apps.tenants.models import Tenant

HOT_TABLES = (
    "executions_counter",
    "executions_delta",
    "executions_execution",
    "executions_outcomenote",
    "executions_tally",
    "executions_tenanttotals",
    "executions_usage",
    "jobs_cursor",
    "leadership_leaderterm",
)
_REFUSALS = (
    ("leader", "term_over"),
    ("worker", "late_renewal"),
    ("worker", "second_end"),
    ("worker", "stale_lease"),
)


class Family(NamedTuple):
    """A metric. `samples` are those that are there, at 0, also when a read finds nothing of them."""

    name: str
    help: str
    samples: tuple[str, ...]

    @property
    def is_counter(self) -> bool:
        return self.name.endswith("_total")


def sample(name: str, **labels: str) -> str:
    """As Prometheus writes it, labels sorted. Their values are words of ours, in which nothing needs an escape."""
    if not labels:
        return name
    pairs = ",".join(f'{label}="{value}"' for label, value in sorted(labels.items()))
    return f"{name}{{{pairs}}}"


def _family(name: str, text: str, **labels: Iterable[str]) -> Family:
    names = sorted(labels)
    values = product(*(labels[label] for label in names))
    return Family(name, text, tuple(sample(name, **dict(zip(names, row, strict=True))) for row in values))


_DRIFT = _family(
    "scheduler_stat_drift_cycles",
    "The largest difference between a tenant's cumulative totals and its history, in check cycles of its own.",
)
# By read: a file of `sql/`, or a sweep.
READS: dict[str, tuple[Family, ...]] = {
    "leadership": (
        _family(
            "scheduler_leaders",
            "Open terms whose leader has shown a sign of life within the trust window: 0 or 1.",
        ),
        _family(
            "scheduler_leader_heartbeat_age_seconds",
            "Since the last sign of life of the leader in office; 0 when nobody is.",
        ),
        _family("scheduler_terms_total", "The newest epoch: it grows with each term."),
        _family("scheduler_terms_last_10m", "Terms that began within ten minutes."),
    ),
    "refused_writes": (
        Family(
            "scheduler_refused_writes_total",
            "Writes of a leader after its term and of workers without their leases: tried, and refused.",
            tuple(
                sample("scheduler_refused_writes_total", actor=actor, what=what) for actor, what in _REFUSALS
            ),
        ),
        _family("scheduler_refused_writes_last_hour", "Such writes within the last hour."),
    ),
    "due": (
        _family("scheduler_due", "Jobs that are due and not yet dispatched."),
        _family("scheduler_due_late", "Those of them that have been due for longer than 15 seconds."),
        _family("scheduler_due_oldest_seconds", "How long the one that has waited longest has been due."),
    ),
    "queue": (
        _family(
            "scheduler_queue_depth",
            "Executions that wait (also for their time), and those under a lease.",
            state=State.values,
        ),
        _family(
            "scheduler_queue_oldest_seconds",
            "How long the longest waiting execution could have been running.",
        ),
        _family("scheduler_leases_expired", "Leases that have run out and have not been taken back."),
    ),
    "executions": (
        _family(
            "scheduler_executions_total",
            "Finished executions, imported history included. A repair of the totals may lower it.",
            status=Outcome.values,
        ),
    ),
    "executions_last_hour": (
        _family(
            "scheduler_executions_last_hour",
            "Finished executions by nominal time: those of this hour, and of the one before it the share of it that "
            "lies in the last 60 minutes.",
            status=Outcome.values,
        ),
    ),
    "skips_last_hour": (
        _family(
            "scheduler_skips_last_hour",
            "Nominal times without an execution, of ranges that end in the last hour.",
            reason=SkipReason.values,
        ),
    ),
    "quarantined": (_family("scheduler_quarantined_jobs", "Jobs that cannot be planned."),),
    "reconcile_failures": (
        _family(
            "scheduler_reconcile_failures_last_hour", "Repairs that failed, as the audit log tells them."
        ),
    ),
    "stat_drift": (_DRIFT,),
    "ticks_drift": (_DRIFT,),
    "platform_skips": (
        _family(
            "scheduler_platform_skips_last_hour",
            "How often one platform of one user was passed over: the most of any.",
        ),
    ),
    "platforms_without_job": (
        _family("scheduler_platforms_without_job", "Connected platforms that no running job monitors."),
    ),
    "server": (
        _family(
            "scheduler_oldest_transaction_seconds", "How long the oldest transaction of ours has been open."
        ),
        _family("scheduler_connections_used", "Connections to the database server, of all its databases."),
        _family("scheduler_connections_max", "Connections that the server allows to roles like ours."),
    ),
    "dead_tuples": (_family("scheduler_dead_tuples", "Dead rows that wait for vacuum.", table=HOT_TABLES),),
    "unplaced": (
        _family("scheduler_unplaced_rows", "Rows of the ledger that lie in its default partitions."),
    ),
    "alerts": (
        _family(
            "scheduler_alerts_age_seconds", "Since workers have evaluated the alerts; +Inf: they never have."
        ),
    ),
    "tenants": (_family("scheduler_tenants", "Tenants.", status=Tenant.Status.values),),
}
