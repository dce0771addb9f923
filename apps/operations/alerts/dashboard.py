"""A Grafana dashboard over the figures that `/metrics` tells."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from apps.operations.alerts.definitions import ALERTS

_WIDTH, _HEIGHT, _COLUMNS = 8, 7, 3
_SOURCE = {"type": "prometheus", "uid": "${datasource}"}


@dataclass(frozen=True, slots=True)
class Panel:
    """`queries`: legend and PromQL. An alert of `alert` draws its threshold."""

    title: str
    queries: dict[str, str]
    unit: str = "short"
    alert: str = ""


def _quantiles(histogram: str) -> dict[str, str]:
    buckets = f"sum by (le) (rate({histogram}_bucket[5m]))"
    return {f"p{percent}": f"histogram_quantile({percent / 100:g}, {buckets})" for percent in (50, 99)}


SECTIONS: dict[str, list[Panel]] = {
    "Alerts and the leader": [
        Panel("Alerts that fire", {"{{alertname}}": 'ALERTS{alertname=~"Scheduler.*", alertstate="firing"}'}),
        Panel("Leaders", {"leaders": "max(scheduler_leaders)"}, alert="SchedulerNoLeader"),
        Panel("The leader's last sign of life", {"age": "max(scheduler_leader_heartbeat_age_seconds)"}, "s"),
        Panel(
            "Terms begun in 10 min",
            {"terms": "max(scheduler_terms_last_10m)"},
            alert="SchedulerLeaderFlapping",
        ),
        Panel(
            "Writes that came too late",
            {"{{actor}} {{what}}": "max by (actor, what) (increase(scheduler_refused_writes_total[1h]))"},
        ),
        Panel(
            "Alerts were evaluated", {"age": "max(scheduler_alerts_age_seconds)"}, "s", "SchedulerAlertsStale"
        ),
    ],
    "From due to done": [
        Panel("Longest due", {"oldest": "max(scheduler_due_oldest_seconds)"}, "s", "SchedulerLate"),
        Panel("Due jobs", {"due": "max(scheduler_due)", "late": "max(scheduler_due_late)"}),
        Panel("Queue", {"{{state}}": "max by (state) (scheduler_queue_depth)"}),
        Panel(
            "Longest in the queue",
            {"oldest": "max(scheduler_queue_oldest_seconds)"},
            "s",
            "SchedulerQueueOld",
        ),
        Panel("Expired leases", {"expired": "max(scheduler_leases_expired)"}, alert="SchedulerLeasesExpired"),
        Panel(
            "Executions a second",
            {"{{status}}": "max by (status) (rate(scheduler_executions_total[5m]))"},
            "ops",
        ),
    ],
    "Of each process (METRICS_PORT)": [
        Panel("From due to dispatched, p50 and p99", _quantiles("scheduler_dispatch_lag_seconds"), "s"),
        Panel("From ready to started, p50 and p99", _quantiles("scheduler_start_lag_seconds"), "s"),
        Panel(
            "Attempts a second",
            {"{{outcome}}": "sum by (outcome) (rate(scheduler_attempts_total[5m]))"},
            "ops",
        ),
        Panel(
            "Runs, p99 by kind of target",
            {
                "{{target}}": "histogram_quantile(0.99, "
                "sum by (le, target) (rate(scheduler_run_seconds_bucket[5m])))"
            },
            "s",
        ),
        Panel(
            "Steps of the leader, p99",
            {
                "{{step}}": "histogram_quantile(0.99, sum by (le, step) (rate(scheduler_step_seconds_bucket[5m])))"
            },
            "s",
        ),
    ],
    "Failures and drift": [
        Panel("Ended within the hour", {"{{status}}": "max by (status) (scheduler_executions_last_hour)"}),
        Panel("Skipped within the hour", {"{{reason}}": "max by (reason) (scheduler_skips_last_hour)"}),
        Panel(
            "Quarantined jobs", {"jobs": "max(scheduler_quarantined_jobs)"}, alert="SchedulerQuarantinedJobs"
        ),
        Panel(
            "Repairs that failed within the hour",
            {"failures": "max(scheduler_reconcile_failures_last_hour)"},
            alert="SchedulerReconcileFailures",
        ),
        Panel(
            "Totals off their history, in check cycles",
            {"cycles": "max(scheduler_stat_drift_cycles)"},
            alert="SchedulerStatDrift",
        ),
        Panel(
            "Platforms",
            {
                "without a job": "max(scheduler_platforms_without_job)",
                "most skips of one within the hour": "max(scheduler_platform_skips_last_hour)",
            },
            alert="SchedulerPlatformSkipped",
        ),
    ],
    "The database": [
        Panel(
            "Connections",
            {"used": "max(scheduler_connections_used)", "of": "max(scheduler_connections_max)"},
        ),
        Panel(
            "Oldest transaction",
            {"oldest": "max(scheduler_oldest_transaction_seconds)"},
            "s",
            "SchedulerOldTransaction",
        ),
        Panel(
            "Dead rows", {"{{table}}": "max by (table) (scheduler_dead_tuples)"}, alert="SchedulerDeadTuples"
        ),
        Panel(
            "Rows in default partitions",
            {"rows": "max(scheduler_unplaced_rows)"},
            alert="SchedulerUnplacedRows",
        ),
        Panel("Tenants", {"{{status}}": "max by (status) (scheduler_tenants)"}),
    ],
}


def dashboard() -> str:
    return (
        json.dumps(
            {
                "title": "Scheduler SaaS",
                "uid": "scheduler-saas",
                "tags": ["scheduler"],
                "schemaVersion": 39,
                "version": 1,
                "timezone": "utc",
                "refresh": "30s",
                "time": {"from": "now-6h", "to": "now"},
                "templating": {
                    "list": [
                        {"name": "datasource", "label": "Source", "type": "datasource", "query": "prometheus"}
                    ]
                },
                "panels": list(_panels()),
            },
            indent=2,
        )
        + "\n"
    )


def _panels() -> Iterator[dict[str, Any]]:
    number, top = 1, 0
    for title, panels in SECTIONS.items():
        place = {"x": 0, "y": top, "w": _WIDTH * _COLUMNS, "h": 1}
        yield {
            "id": number,
            "type": "row",
            "title": title,
            "collapsed": False,
            "gridPos": place,
            "panels": [],
        }
        number, top = number + 1, top + 1
        for index, panel in enumerate(panels):
            row, column = divmod(index, _COLUMNS)
            yield _panel(
                number, panel, {"x": column * _WIDTH, "y": top + row * _HEIGHT, "w": _WIDTH, "h": _HEIGHT}
            )
            number += 1
        top += -(-len(panels) // _COLUMNS) * _HEIGHT


def _panel(number: int, panel: Panel, place: dict[str, int]) -> dict[str, Any]:
    defaults: dict[str, Any] = {"unit": panel.unit, "min": 0}
    if panel.alert:
        defaults |= _line(panel.alert)
    return {
        "id": number,
        "type": "timeseries",
        "title": panel.title,
        "datasource": _SOURCE,
        "gridPos": place,
        "targets": [
            {"refId": chr(ord("A") + index), "datasource": _SOURCE, "expr": query, "legendFormat": legend}
            for index, (legend, query) in enumerate(panel.queries.items())
        ],
        "fieldConfig": {"defaults": defaults, "overrides": []},
        "options": {"tooltip": {"mode": "multi"}, "legend": {"displayMode": "list", "placement": "bottom"}},
    }


def _line(name: str) -> dict[str, Any]:
    alert = next(alert for alert in ALERTS if alert.name == name)
    below = alert.comparison == "<"
    return {
        "custom": {"thresholdsStyle": {"mode": "dashed"}},
        "thresholds": {
            "mode": "absolute",
            "steps": [
                {"color": "red" if below else "green", "value": None},
                {"color": "green" if below else "red", "value": alert.threshold},
            ],
        },
    }
