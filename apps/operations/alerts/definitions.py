"""The alerts. Change one here, then run `manage.py alert_rules`: everything else is generated."""

from __future__ import annotations

import operator
from dataclasses import dataclass
from enum import StrEnum

from apps.operations.alerts.measures import Absent, Figures, Largest, Measure, Share

INTERVAL_SECONDS = 15  # between two evaluations of Prometheus's; workers have ALERTS_INTERVAL
LONGEST_DUE = 60  # seconds that a due job may wait for the leader
LONGEST_IN_QUEUE = 300  # seconds that an execution may wait for a worker
FAILING_SHARE, FAILING_OF = 0.5, 20  # of what ended lately, if it is so many
STALE_SECONDS = 120.0  # an evaluation that is older says nothing of now

_COMPARE = {">": operator.gt, ">=": operator.ge, "<": operator.lt}


class Severity(StrEnum):
    """A page: tenants' work stands still, or soon will; wake somebody. A ticket: today, in working hours."""

    PAGE = "page"
    TICKET = "ticket"


@dataclass(frozen=True, slots=True)
class Alert:
    """It fires once `measure` has compared so with `threshold` for `for_seconds`.

    `from_outside`: what workers cannot see, because they need what is missing, or because they are. Prometheus can.
    """

    name: str
    severity: Severity
    summary: str
    measure: Measure
    comparison: str
    threshold: float
    for_seconds: int
    runbook: str
    from_outside: bool = False

    @property
    def expression(self) -> str:
        return self.measure.promql(self.comparison, f"{self.threshold:g}")

    def holds(self, value: float | None) -> bool:
        return value is not None and bool(_COMPARE[self.comparison](value, self.threshold))

    def value(self, figures: Figures) -> float | None:
        return self.measure.value(figures)


PAGE, TICKET = Severity.PAGE, Severity.TICKET

ALERTS: tuple[Alert, ...] = (
    Alert(
        name="SchedulerNoLeader",
        severity=PAGE,
        summary="No scheduler leads: nothing that becomes due is dispatched. A takeover takes some seconds at most.",
        measure=Largest("scheduler_leaders"),
        comparison="<",
        threshold=1,
        for_seconds=30,
        runbook="no_leader",
    ),
    Alert(
        name="SchedulerDatabaseDown",
        severity=PAGE,
        summary="No web process tells its figures: the database is away, or none of them can be reached.",
        measure=Absent("scheduler_leaders"),
        comparison=">=",
        threshold=1,
        for_seconds=60,
        runbook="database_down",
        from_outside=True,
    ),
    Alert(
        name="SchedulerLate",
        severity=PAGE,
        summary="A due job has waited for the leader for more than a minute, beyond the grace that jobs have.",
        measure=Largest("scheduler_due_oldest_seconds"),
        comparison=">",
        threshold=LONGEST_DUE,
        for_seconds=60,
        runbook="late",
    ),
    Alert(
        name="SchedulerQueueOld",
        severity=PAGE,
        summary="An execution that may run has waited for a worker for more than five minutes.",
        measure=Largest("scheduler_queue_oldest_seconds"),
        comparison=">",
        threshold=LONGEST_IN_QUEUE,
        for_seconds=60,
        runbook="queue_old",
    ),
    Alert(
        name="SchedulerLeasesExpired",
        severity=PAGE,
        summary="Leases that expired are not taken back: what dead workers held does not run again.",
        measure=Largest("scheduler_leases_expired"),
        comparison=">",
        threshold=0,
        for_seconds=60,
        runbook="leases_expired",
    ),
    Alert(
        name="SchedulerFailureRate",
        severity=PAGE,
        summary="More than half of what ended within the hour failed, of twenty executions or more.",
        measure=Share(
            'scheduler_executions_last_hour{status="failed"}',
            (
                'scheduler_executions_last_hour{status="failed"}',
                'scheduler_executions_last_hour{status="success"}',
            ),
            at_least=FAILING_OF,
        ),
        comparison=">",
        threshold=FAILING_SHARE,
        for_seconds=300,
        runbook="failure_rate",
    ),
    Alert(
        name="SchedulerReconcileFailures",
        severity=TICKET,
        summary="A repair failed within the hour: something has drifted and stays so.",
        measure=Largest("scheduler_reconcile_failures_last_hour"),
        comparison=">",
        threshold=0,
        for_seconds=0,
        runbook="reconcile_failures",
    ),
    Alert(
        name="SchedulerPlatformSkipped",
        severity=TICKET,
        summary="The same platform of the same user was skipped three times or more within the hour.",
        measure=Largest("scheduler_platform_skips_last_hour"),
        comparison=">=",
        threshold=3,
        for_seconds=0,
        runbook="platform_skipped",
    ),
    Alert(
        name="SchedulerStatDrift",
        severity=TICKET,
        summary="A tenant's cumulative totals are off its history by more than one check cycle of that tenant finds.",
        measure=Largest("scheduler_stat_drift_cycles"),
        comparison=">",
        threshold=1,
        for_seconds=600,
        runbook="stat_drift",
    ),
    Alert(
        name="SchedulerPlatformWithoutJob",
        severity=TICKET,
        summary="A connected platform has had no monitoring job for half an hour, though workers make them.",
        measure=Largest("scheduler_platforms_without_job"),
        comparison=">",
        threshold=0,
        for_seconds=1800,
        runbook="platform_without_job",
    ),
    Alert(
        name="SchedulerLeaderFlapping",
        severity=TICKET,
        summary="More than three terms began within ten minutes: leaders come and go, each with a pause.",
        measure=Largest("scheduler_terms_last_10m"),
        comparison=">",
        threshold=3,
        for_seconds=0,
        runbook="leader_flapping",
    ),
    Alert(
        name="SchedulerRefusedWrites",
        severity=TICKET,
        summary="More than ten writes within the hour came too late and were refused: pauses outlast leases.",
        measure=Largest("scheduler_refused_writes_last_hour"),
        comparison=">",
        threshold=10,
        for_seconds=0,
        runbook="refused_writes",
    ),
    Alert(
        name="SchedulerOldTransaction",
        severity=TICKET,
        summary="A transaction has been open for more than half an hour: vacuum cannot clean up the queue behind it.",
        measure=Largest("scheduler_oldest_transaction_seconds"),
        comparison=">",
        threshold=1800,
        for_seconds=60,
        runbook="old_transaction",
    ),
    Alert(
        name="SchedulerDeadTuples",
        severity=TICKET,
        summary="A table has had more than 500,000 dead rows for ten minutes: vacuum does not keep up.",
        measure=Largest("scheduler_dead_tuples"),
        comparison=">",
        threshold=500_000,
        for_seconds=600,
        runbook="dead_tuples",
    ),
    Alert(
        name="SchedulerUnplacedRows",
        severity=TICKET,
        summary="Rows have lain in a default partition of the ledger for longer than the leader takes to move them.",
        measure=Largest("scheduler_unplaced_rows"),
        comparison=">",
        threshold=0,
        for_seconds=1200,
        runbook="unplaced_rows",
    ),
    Alert(
        name="SchedulerQuarantinedJobs",
        severity=TICKET,
        summary="A job's schedule cannot be read; it is set aside and does not run.",
        measure=Largest("scheduler_quarantined_jobs"),
        comparison=">",
        threshold=0,
        for_seconds=0,
        runbook="quarantined_jobs",
    ),
    Alert(
        name="SchedulerConnections",
        severity=PAGE,
        summary="More than nine tenths of the server's connections are in use: soon no standby could connect.",
        measure=Share("scheduler_connections_used", ("scheduler_connections_max",)),
        comparison=">",
        threshold=0.9,
        for_seconds=120,
        runbook="connections",
    ),
    Alert(
        name="SchedulerAlertsStale",
        severity=TICKET,
        summary="No worker has evaluated the alerts for two minutes: none runs, or ALERTS_INTERVAL is 0.",
        measure=Largest("scheduler_alerts_age_seconds"),
        comparison=">",
        threshold=STALE_SECONDS,
        for_seconds=60,
        runbook="alerts_stale",
        from_outside=True,
    ),
)
SEEN_HERE = tuple(alert for alert in ALERTS if not alert.from_outside)
