"""The dashboard, and what answers there."""

from tests.contract.schemas.jobs import JOB
from tests.contract.schemas.words import (
    BOOLEAN,
    COUNT,
    INTEGER,
    NUMBER,
    STRINGS,
    TIME,
    WORD,
    always,
    exact_object,
    list_of,
    nullable,
    one_of,
)

STATS = exact_object(
    {
        **dict.fromkeys(
            ("total_checks", "tasks_found", "tasks_executed", "tasks_failed", "tasks_skipped"), COUNT
        ),
        **dict.fromkeys(("last_check", "last_update", "last_interval_adjustment"), nullable(TIME)),
        "active_executions": COUNT,
        "running": BOOLEAN,
        "check_interval_minutes": NUMBER,
        "min_check_interval_minutes": NUMBER,
        "max_check_interval_minutes": NUMBER,
        "intelligent_scheduling": BOOLEAN,
        "active_strategies_count": COUNT,
        "registered_types": STRINGS,
        "cumulative_total_check_cycles": COUNT,
        "cumulative_tasks_found": COUNT,
        "cumulative_tasks_executed": COUNT,
        "cumulative_tasks_failed": COUNT,
    }
)
DASHBOARD = exact_object(
    {
        "stats": STATS,
        "jobs": list_of(JOB),
        "job_count": COUNT,
        "recurring_jobs": COUNT,
        "one_time_jobs": COUNT,
        "registered_task_types": STRINGS,
        "user_isolation": exact_object({"enabled": BOOLEAN, "current_user_id": nullable(WORD)}),
        "last_updated": TIME,
    }
)
PULSE = exact_object(
    {"token": WORD, "running": COUNT, "waiting": COUNT, "attention": COUNT, "last_updated": TIME}
)
_USED = exact_object({"limit": nullable(COUNT), "used": COUNT})
_MADE = exact_object({"limit": nullable(COUNT), "used": nullable(COUNT), "resets_at": TIME})
USAGE = exact_object(
    {
        "plan": WORD,
        "jobs": _USED,
        "concurrency": _USED,
        "executions_per_minute": _MADE,
        "executions_per_day": _MADE,
    }
)
STATUS = exact_object(
    {
        "service": WORD,
        "version": WORD,
        "scheduler_runtime": exact_object(
            {
                "leadership": exact_object(
                    {
                        "mode": always("postgres_advisory_lock"),
                        "is_leader": BOOLEAN,
                        "execution_enabled": BOOLEAN,
                        "epoch": nullable(INTEGER),
                    }
                )
            }
        ),
    }
)
HEALTH = exact_object(
    {
        "status": one_of("healthy", "unhealthy"),
        "checks": exact_object({"database": WORD, "scheduler_leadership": WORD}),
    }
)
_TOTALS = {
    "cumulative_tasks_found": INTEGER,
    "cumulative_tasks_executed": INTEGER,
    "cumulative_tasks_failed": INTEGER,
}
TOTALS_RECONCILED = exact_object(
    {
        "success": BOOLEAN,
        "stats": exact_object(_TOTALS),
        "before": exact_object(_TOTALS),
        "drift": exact_object(_TOTALS),
        "reconciled_at": TIME,
    }
)
# Repair of any kind of drift: beside the contract, and held to what its callers were told.
RECONCILED = exact_object(
    {
        "success": BOOLEAN,
        "kinds": STRINGS,
        "dry_run": BOOLEAN,
        **dict.fromkeys(("found", "created", "repaired", "skipped", "failures", "items_left_off"), COUNT),
        "items": list_of(
            exact_object(
                {
                    "kind": WORD,
                    "problem": WORD,
                    "tenant": WORD,
                    "object_id": INTEGER,
                    "sentence": WORD,
                    "result": one_of("found", "created", "repaired", "skipped", "failed"),
                }
            )
        ),
        "reconciled_at": TIME,
    }
)
