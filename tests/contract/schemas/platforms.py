"""Connected platforms and the tasks that each of them must have."""

from tests.contract.schemas.executions import LOG
from tests.contract.schemas.jobs import JOB
from tests.contract.schemas.words import (
    BOOLEAN,
    COUNT,
    STRING,
    STRINGS,
    TIME,
    WORD,
    always,
    envelope,
    exact_object,
    list_of,
)

STATUS = exact_object(
    {
        "tasks": list_of(JOB),
        "total_tasks": COUNT,
        "active_tasks": COUNT,
        "paused_tasks": COUNT,
        "failed_tasks": COUNT,
        "last_updated": TIME,
    }
)
RECONCILED = exact_object(
    {
        "success": BOOLEAN,
        "user_id": WORD,
        "connected_insights_platforms": STRINGS,
        "created_platforms": STRINGS,
        "skipped_platforms": STRINGS,
        "failures": {"type": "array"},
        "auditable": BOOLEAN,
        "reconciled_at": TIME,
    }
)
# Credentials are write-only: they go in, and no key of an answer may hold them.
CONNECTION = exact_object(
    {
        "platform": WORD,
        "user_id": WORD,
        "status": WORD,
        "label": STRING,
        "settings": {"type": "object"},
        "created_at": TIME,
        "updated_at": TIME,
    }
) | {"not": {"anyOf": [{"required": [name]} for name in ("credentials", "sealed", "token", "secret")]}}
CONNECTIONS = envelope("connections", CONNECTION)
LOGS = envelope("logs", LOG, success=always(True))
