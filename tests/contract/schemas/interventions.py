"""Tasks that wait for a person."""

from tests.contract.schemas.words import (
    COUNT,
    COUNTS,
    INTEGER,
    NUMBER,
    STRING,
    STRINGS,
    TIME,
    WORD,
    always,
    envelope,
    exact_object,
    list_of,
    nullable,
)

TASK = exact_object(
    {
        "task_id": INTEGER,
        "task_type": WORD,
        "user_id": nullable(WORD),
        "failure_pattern": exact_object(
            {
                "consecutive_failures": COUNT,
                "recent_failures": COUNT,
                "failure_reason": nullable(STRING),
                "last_failure_time": nullable(TIME),
                "error_patterns": STRINGS,
            }
        ),
        "failure_reason": nullable(STRING),
        "last_failure": nullable(TIME),
    },
    platform=nullable(STRING),
    website_url=nullable(STRING),
)
TASKS = exact_object({"success": always(True), "tasks": list_of(TASK), "count": COUNT})
TASK_LIST = envelope("tasks", TASK)
RUN_NOW = exact_object(
    {"success": always(True), "task_id": INTEGER, "execution_id": INTEGER, "message": WORD}
)
SUMMARY = exact_object(
    {
        "success": always(True),
        "user_id": WORD,
        "total": COUNT,
        "by_type": COUNTS,
        "critical_failures": COUNT,
        "oldest_failure_hours": nullable(NUMBER),
    }
)
