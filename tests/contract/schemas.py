"""JSON Schemas of every payload, from the contract's words alone: nothing here is imported from the product.

Keys that the contract names are required. Others may come beside them: old clients ignore what they do not know.
"""

from typing import Any

from jsonschema import Draft202012Validator

Schema = dict[str, Any]

BOOLEAN: Schema = {"type": "boolean"}
INTEGER: Schema = {"type": "integer"}
COUNT: Schema = {"type": "integer", "minimum": 0}
NUMBER: Schema = {"type": "number"}
STRING: Schema = {"type": "string"}
WORD: Schema = {"type": "string", "minLength": 1}
STRINGS: Schema = {"type": "array", "items": STRING}
ANYTHING: Schema = {}
# ISO 8601, in UTC, with an offset.
TIME: Schema = {
    "type": "string",
    "pattern": r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d+)?(Z|\+00:00)$",
}


def nullable(schema: Schema) -> Schema:
    return {"anyOf": [schema, {"type": "null"}]}


def one_of(*words: str) -> Schema:
    return {"enum": list(words)}


def always(value: Any) -> Schema:
    return {"const": value}


def exact_object(properties: dict[str, Schema]) -> Schema:
    """Every key is required."""
    return {"type": "object", "required": list(properties), "properties": properties}


def list_of(item: Schema) -> Schema:
    return {"type": "array", "items": item}


def envelope(key: str, item: Schema, **beside: Schema) -> Schema:
    return exact_object(
        {
            key: list_of(item),
            "total_count": COUNT,
            "limit": {"type": "integer", "minimum": 1, "maximum": 500},
            "offset": COUNT,
            "has_more": BOOLEAN,
            "next_cursor": nullable(WORD),
            **beside,
        }
    )


JOB = exact_object(
    {
        "id": {"type": "string", "pattern": "^[0-9]+$"},
        "name": WORD,
        "trigger_type": one_of("CronTrigger", "IntervalTrigger", "DateTrigger"),
        "next_run_time": nullable(TIME),
        "user_id": nullable(WORD),
        "job_store": STRING,
        "user_job_store": STRING,
        "function_name": STRING,
        "platform": STRING,
        "task_id": INTEGER,
        "is_database_task": always(True),
        "frequency": STRING,
        "task_type": WORD,
        "task_category": STRING,
        "website_url": nullable(STRING),
        "status": one_of("active", "paused", "failed", "needs_intervention", "completed"),
        "trigger": exact_object({"type": WORD}),
        "timezone": WORD,
        "policies": {"type": "object"},
        "payload": nullable({"type": "object"}),
        "version": {"type": "integer", "minimum": 1},
        "last_success": nullable(TIME),
        "last_failure": nullable(TIME),
        "failure_reason": nullable(STRING),
        "consecutive_failures": COUNT,
    }
)

_LOG_KEYS = {
    "id": {"type": "integer"},
    "task_id": nullable(INTEGER),
    "user_id": nullable(WORD),
    "execution_date": TIME,
    "status": one_of("success", "failed", "running", "skipped"),
    "error_message": nullable(STRING),
    "execution_time_ms": nullable(COUNT),
    "result_data": ANYTHING,
    "created_at": TIME,
    "task": exact_object(
        {
            "id": nullable(INTEGER),
            "task_title": WORD,
            "component_name": STRING,
            "metric": STRING,
            "frequency": STRING,
        }
    ),
    "is_scheduler_log": always(False),
    "event_type": nullable(WORD),
    "job_id": nullable(WORD),
    "scheduled_for": nullable(TIME),
    "attempt": nullable(COUNT),
    "epoch": nullable(INTEGER),
    "reason": nullable(WORD),
    "worker": nullable(STRING),
}
LOG = exact_object(_LOG_KEYS)
SCHEDULER_LOG = exact_object({**_LOG_KEYS, "id": WORD, "is_scheduler_log": always(True), "event_type": WORD})

ATTEMPT = exact_object(
    {
        "attempt": {"type": "integer", "minimum": 1},
        "outcome": one_of("success", "failed", "timeout", "lost"),
        "started_at": nullable(TIME),
        "finished_at": TIME,
        "worker": STRING,
        "error_message": nullable(STRING),
    }
)
EXECUTION = exact_object(
    {
        **_LOG_KEYS,
        "attempts": list_of(ATTEMPT),
        "output": nullable(exact_object({"result": ANYTHING, "error_text": nullable(STRING)})),
    }
)

EVENT = exact_object(
    {
        "id": INTEGER,
        "event_type": one_of(
            "check_cycle",
            "interval_adjustment",
            "start",
            "stop",
            "job_scheduled",
            "job_cancelled",
            "job_completed",
            "job_failed",
        ),
        "event_date": TIME,
        "check_cycle_number": nullable(INTEGER),
        "check_interval_minutes": nullable(NUMBER),
        "previous_interval_minutes": nullable(NUMBER),
        "new_interval_minutes": nullable(NUMBER),
        "tasks_found": nullable(COUNT),
        "tasks_executed": nullable(COUNT),
        "tasks_failed": nullable(COUNT),
        "tasks_by_type": nullable({"type": "object", "additionalProperties": COUNT}),
        "check_duration_seconds": nullable(NUMBER),
        "active_strategies_count": nullable(COUNT),
        "active_executions": nullable(COUNT),
        "job_id": nullable(WORD),
        "job_type": nullable(STRING),
        "user_id": nullable(WORD),
        "event_data": ANYTHING,
        "error_message": nullable(STRING),
        "created_at": TIME,
    }
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
JOBS = envelope("jobs", JOB, total_jobs=COUNT, recurring_jobs=COUNT, one_time_jobs=COUNT)
EXECUTION_LOGS = envelope("logs", LOG, is_scheduler_logs=always(False))
RECENT_SCHEDULER_LOGS = envelope("logs", SCHEDULER_LOG, is_scheduler_logs=always(True))
RECENT_SCHEDULER_LOGS["properties"]["logs"]["maxItems"] = 5
EVENT_HISTORY = envelope(
    "events",
    EVENT,
    date_filter=exact_object(
        {
            "days": {"type": "integer", "minimum": 1, "maximum": 90},
            "cutoff_date": TIME,
            "showing_events_since": TIME,
        }
    ),
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
    {"status": WORD, "checks": exact_object({"database": ANYTHING, "scheduler_leadership": ANYTHING})}
)
ERROR = exact_object({"detail": WORD})
FIELD_ERRORS = exact_object({"detail": WORD, "errors": {"type": "object", "minProperties": 1}})


def violations(schema: Schema, payload: Any) -> list[str]:
    """What is wrong with `payload`, as sentences with the place."""
    errors = Draft202012Validator(schema).iter_errors(payload)
    return [f"{error.json_path}: {error.message[:300]}" for error in errors]
