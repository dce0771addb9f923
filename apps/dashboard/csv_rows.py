"""Logs as lines of CSV that a spreadsheet opens and does not run."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterable
from datetime import datetime
from typing import Any

_OF_LOG = (
    "id",
    "scheduled_for",
    "scheduled_until",
    "execution_date",
    "status",
    "job_id",
    "user_id",
    "kind",
    "attempt",
    "execution_time_ms",
    "error_message",
    "result_data",
    "reason",
    "count",
    "epoch",
    "worker",
    "retry_of",
    "created_at",
)
_OF_TASK = ("task_title", "component_name", "metric")
COLUMNS = (*_OF_LOG, *_OF_TASK)
# Also behind what a spreadsheet trims, and in the wide forms that some of them read as the narrow ones.
_FORMULA = re.compile("[\\t\\r]|[\\s\\ufeff\\u200b-\\u200f]*[-=+@\\uff0d\\uff1d\\uff0b\\uff20]")


def header() -> str:
    return _written([COLUMNS])


def lines(logs: Iterable[dict[str, Any]]) -> str:
    """A line for each log, its cells in the order of `COLUMNS`."""
    return _written(
        [*(log[name] for name in _OF_LOG), *(log["task"][name] for name in _OF_TASK)] for log in logs
    )


def inert(value: Any) -> str:
    """The text of a cell. An apostrophe before what a spreadsheet would take for a formula makes it text there, too.

    A number is no formula, negative or not; our own ids of skips are such.
    """
    match value:
        case None:
            return ""
        case datetime():
            return value.isoformat()
        case dict() | list():
            value = json.dumps(value, ensure_ascii=False)
        case int() | float():
            return str(value)
    return f"'{value}" if _FORMULA.match(str(value)) else str(value)


def _written(rows: Iterable[Iterable[Any]]) -> str:
    text = io.StringIO()
    csv.writer(text).writerows([inert(value) for value in row] for row in rows)
    return text.getvalue()
