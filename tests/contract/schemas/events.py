"""The scheduler's journal."""

from tests.contract.schemas.words import (
    ANYTHING,
    BOOLEAN,
    COUNT,
    COUNTS,
    INTEGER,
    NUMBER,
    STRING,
    TIME,
    WORD,
    envelope,
    exact_object,
    nullable,
    one_of,
)

TYPES = (
    "check_cycle",
    "interval_adjustment",
    "start",
    "stop",
    "job_scheduled",
    "job_cancelled",
    "job_completed",
    "job_failed",
)
EVENT = exact_object(
    {
        "id": INTEGER,
        "event_type": one_of(*TYPES),
        "event_date": TIME,
        "check_cycle_number": nullable(INTEGER),
        "check_interval_minutes": nullable(NUMBER),
        "previous_interval_minutes": nullable(NUMBER),
        "new_interval_minutes": nullable(NUMBER),
        "tasks_found": nullable(COUNT),
        "tasks_executed": nullable(COUNT),
        "tasks_failed": nullable(COUNT),
        "tasks_by_type": nullable(COUNTS),
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
CLEANED = exact_object(
    {
        "deleted_count": COUNT,
        "would_delete_count": COUNT,
        "oldest_kept_event": nullable(TIME),
        "dry_run": BOOLEAN,
    }
)
STATISTICS = exact_object(
    {
        "total_events": COUNT,
        "events_by_type": {
            **COUNTS,
            "propertyNames": one_of(*TYPES),
        },
        "date_range": exact_object({"oldest_event": nullable(TIME), "newest_event": nullable(TIME)}),
    }
)
