"""Executions and the logs of them."""

from tests.contract.schemas.words import (
    ANYTHING,
    BOOLEAN,
    COUNT,
    INTEGER,
    STRING,
    TIME,
    WORD,
    Schema,
    always,
    envelope,
    exact_object,
    list_of,
    nullable,
    one_of,
)

_LOG_KEYS: dict[str, Schema] = {
    "id": INTEGER,
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
EXECUTION_LOGS = envelope("logs", LOG, is_scheduler_logs=always(False))
RECENT_SCHEDULER_LOGS = envelope("logs", SCHEDULER_LOG, is_scheduler_logs=always(True))
RECENT_SCHEDULER_LOGS["properties"]["logs"]["maxItems"] = 5

ATTEMPT = exact_object(
    {
        "attempt": {"type": "integer", "minimum": 1},
        "outcome": one_of("success", "failed", "timeout", "lost", "released", "cancelled"),
        "started_at": nullable(TIME),
        "finished_at": TIME,
        "worker": STRING,
        "error_message": nullable(STRING),
    }
)
EXECUTION = exact_object(
    {
        **_LOG_KEYS,
        "retry_of": nullable(INTEGER),
        "attempts": list_of(ATTEMPT),
        "output": nullable(exact_object({"result": ANYTHING, "error_text": nullable(STRING)})),
    }
)
CANCELLED = exact_object({"success": always(True), "execution_id": INTEGER, "message": WORD})
RETRIED = exact_object(
    {"success": always(True), "execution_id": INTEGER, "retry_of": INTEGER, "message": WORD}
)
BULK_RETRIED = exact_object(
    {
        "success": BOOLEAN,
        "retried": list_of(exact_object({"execution_id": INTEGER, "retry_of": INTEGER})),
        "refused": list_of(exact_object({"id": INTEGER, "detail": WORD})),
        "has_more": BOOLEAN,
    }
)
# What a line of the export must tell, by the names of a log; nested objects are spread.
CSV_COLUMNS = {
    *("id", "job_id", "user_id", "execution_date", "status", "error_message", "execution_time_ms"),
    *("result_data", "created_at", "task_title", "component_name", "metric"),
    *("scheduled_for", "attempt", "epoch", "reason", "worker"),
}
