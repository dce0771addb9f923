"""Jobs, what can be done with them, and what became of their times."""

from tests.contract.schemas.words import (
    BOOLEAN,
    COUNT,
    INTEGER,
    STRING,
    TIME,
    WORD,
    always,
    envelope,
    exact_object,
    list_of,
    nullable,
    one_of,
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
        "calendar": nullable(WORD),
        "policies": {"type": "object"},
        "payload": nullable({"type": "object"}),
        "payload_error": nullable(WORD),
        "version": {"type": "integer", "minimum": 1},
        "last_success": nullable(TIME),
        "last_failure": nullable(TIME),
        "failure_reason": nullable(STRING),
        "consecutive_failures": COUNT,
    }
)
JOBS = envelope("jobs", JOB, total_jobs=COUNT, recurring_jobs=COUNT, one_time_jobs=COUNT)

CATEGORIES = exact_object(
    {
        "categories": list_of(
            exact_object(
                {
                    "category": STRING,
                    "label": STRING,
                    "job_count": COUNT,
                    "active": COUNT,
                    "paused": COUNT,
                    "failed": COUNT,
                    "needs_intervention": COUNT,
                    "completed": COUNT,
                }
            )
        ),
        "total_jobs": COUNT,
    }
)
_OUTCOME = exact_object(
    {
        "id": INTEGER,
        "status": one_of("success", "failed", "running", "skipped"),
        "scheduled_for": TIME,
        "scheduled_until": TIME,
        "execution_time_ms": nullable(COUNT),
        "reason": nullable(WORD),
        "count": COUNT,
        "kind": nullable(WORD),
    }
)
OUTCOMES = exact_object({"outcomes": {"type": "object", "additionalProperties": list_of(_OUTCOME)}})

_RUN = exact_object(
    {
        "run_time": TIME,
        "run_at": TIME,
        # The wall clock of the job's zone: the one time that is not in UTC.
        "local_time": {"type": "string", "pattern": r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}"},
        "transition": nullable(one_of("gap", "overlap")),
        "blackout": nullable(WORD),
    }
)
NEXT_RUNS = exact_object({"job_id": WORD, "frequency": WORD, "timezone": WORD, "next_runs": list_of(_RUN)})
PREVIEW = exact_object(
    {
        "trigger": exact_object({"type": WORD}),
        "frequency": WORD,
        "timezone": WORD,
        "next_runs": list_of(_RUN),
    }
)
TRIGGERED = exact_object({"success": always(True), "job_id": WORD, "execution_id": INTEGER, "message": WORD})

_ENTRY = exact_object(
    {
        "scheduled_for": TIME,
        "scheduled_until": TIME,
        "count": nullable(COUNT),
        "outcome": WORD,
        "reason": nullable(WORD),
        "epoch": nullable(INTEGER),
        "execution_id": nullable(INTEGER),
        "sentence": WORD,
    }
)
WHY = exact_object(
    {
        "job_id": WORD,
        "from": TIME,
        "to": TIME,
        "times": list_of(_ENTRY),
        "count": COUNT,
        "has_more": BOOLEAN,
        "next_from": nullable(TIME),
        "nearest": nullable(exact_object({"before": nullable(TIME), "after": nullable(TIME)})),
    }
)
BACKFILLED = exact_object(
    {
        "success": always(True),
        "job_id": WORD,
        "dry_run": BOOLEAN,
        "found": COUNT,
        "enqueued": COUNT,
        "already": COUNT,
        "execution_ids": list_of(INTEGER),
        "message": WORD,
    }
)
