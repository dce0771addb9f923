"""A line of a legacy export into a row of the ledger, or a sentence why not. Pure: the clock is a parameter."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from apps.executions.states import Outcome
from apps.executions.targets.outcome import MAX_DETAIL, storable
from apps.tenants.identity import as_integer

REQUIRED = ("status", "execution_date")
EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
CLOCKS_DIFFER = timedelta(hours=1)
MAX_NAME = 200  # characters
DEFAULT_TASK_TYPE = "imported"
_INTEGER = range(2**31)
_BIGINT = range(-(2**63), 2**63)


class Unusable(ValueError):
    """A line that cannot be taken; the message says why, and goes into the rejects file."""


class LegacyRow(NamedTuple):
    """In the order of the staging table's columns. `result` is JSON text; times are in UTC."""

    source_id: str | None
    user_id: str | None
    legacy_user_id: int | None
    task_type: str
    job_name: str
    status: str
    started_at: datetime
    finished_at: datetime
    execution_time_ms: int | None
    error_text: str | None
    result: str | None
    created_at: datetime


@dataclass(frozen=True, slots=True)
class LogParser:
    """`timezone` is that of times without an offset; without one they are refused. `textual`: every value is a text
    (CSV), and one that is an integer means the integer.
    """

    now: datetime
    textual: bool
    timezone: ZoneInfo | None = None

    def parse(self, fields: Mapping[str, Any]) -> LegacyRow:
        """Raises `Unusable`. Fields that it does not know are ignored."""
        status = self._status(fields.get("status"))
        started = self._time(fields, "execution_date")
        if started is None:
            raise Unusable("execution_date is missing")
        if not EARLIEST <= started <= self.now + CLOCKS_DIFFER:
            raise Unusable(f"execution_date is {'in the future' if started > self.now else 'before 2000'}")
        milliseconds = self._milliseconds(fields.get("execution_time_ms"))
        finished = started + timedelta(milliseconds=milliseconds or 0)
        user_id, legacy_user_id = self._user(fields.get("user_id"), fields.get("legacy_user_id"))
        task_type = _name(fields, "task_type") or DEFAULT_TASK_TYPE
        return LegacyRow(
            source_id=_name(fields, "id"),
            user_id=user_id,
            legacy_user_id=legacy_user_id,
            task_type=task_type,
            job_name=_text(fields.get("task_title"))[:MAX_NAME] or task_type,
            status=status,
            started_at=started,
            finished_at=finished,
            execution_time_ms=milliseconds,
            error_text=_text(fields.get("error_message"))[-MAX_DETAIL:] or None,
            result=self._result(fields.get("result_data")),
            created_at=self._time(fields, "created_at") or finished,
        )

    def _status(self, value: Any) -> str:
        """A skip or a run that has not ended is not a finished execution, and the ledger holds nothing else."""
        if value in Outcome.values:
            return str(value)
        if value in ("skipped", "running"):
            raise Unusable(f"a {value} run has no outcome: only success and failed are imported")
        raise Unusable(f"status {_shown(value)} is neither success nor failed")

    def _time(self, fields: Mapping[str, Any], name: str) -> datetime | None:
        value = fields.get(name)
        if value in (None, ""):
            return None
        try:
            time = datetime.fromisoformat(value.strip())
            if time.tzinfo is None:
                if self.timezone is None:
                    raise Unusable(f"{name} {_shown(value)} has no offset, and no timezone was given")
                time = time.replace(tzinfo=self.timezone)
            return time.astimezone(UTC)
        except Unusable:
            raise
        except (ValueError, OverflowError, AttributeError):
            raise Unusable(f"{name} {_shown(value)} is no ISO 8601 time") from None

    def _milliseconds(self, value: Any) -> int | None:
        if value in (None, ""):
            return None
        try:
            if isinstance(value, bool):
                raise TypeError
            number = round(float(value))
        except (TypeError, ValueError, OverflowError):
            raise Unusable(f"execution_time_ms {_shown(value)} is no number") from None
        if number not in _INTEGER:
            raise Unusable(f"execution_time_ms {_shown(value)} is out of range")
        return number

    def _user(self, given: Any, legacy: Any) -> tuple[str | None, int | None]:
        """A number goes into the old column alone, a text into the new one: what the old system knew, and no more."""
        text, number = None, None
        if isinstance(given, str):
            text = _name({"user_id": given}, "user_id")
            if self.textual and text is not None and (number := as_integer(text)) is not None:
                text = None
        elif given is not None:
            number = _bigint("user_id", given)
        if legacy in (None, ""):
            return text, number
        if isinstance(legacy, str):
            as_number = as_integer(legacy.strip())
            legacy = legacy if as_number is None else as_number
        old = _bigint("legacy_user_id", legacy)
        if number not in (None, old):
            raise Unusable(f"user_id {number} and legacy_user_id {old} are two different users")
        return text, old

    def _result(self, value: Any) -> str | None:
        """As jsonb takes it. In CSV it is JSON, or else a text that stays one."""
        if value in (None, "") and not isinstance(value, bool):
            return None
        if self.textual:
            with suppress(ValueError, RecursionError):
                value = json.loads(value)
        return storable(value)


def _bigint(name: str, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise Unusable(f"{name} {_shown(value)} is no integer")
    if value not in _BIGINT:
        raise Unusable(f"{name} {_shown(value)} is out of range")
    return value


def _name(fields: Mapping[str, Any], field: str) -> str | None:
    """A text that names something and so must not be changed to fit."""
    value = fields.get(field)
    if isinstance(value, bool) or not isinstance(value, str | int | None):
        raise Unusable(f"{field} {_shown(value)} is neither text nor a number")
    try:
        text = "" if value is None else str(value).strip()
        text.encode()
    except ValueError:  # half a surrogate pair, or a number of thousands of digits
        raise Unusable(f"{field} is no text") from None
    if "\0" in text:
        raise Unusable(f"{field} contains a NUL character")
    if len(text) > MAX_NAME:
        raise Unusable(f"{field} is longer than {MAX_NAME} characters")
    return text or None


def _text(value: Any) -> str:
    """A text that people read: what Postgres cannot store in it is replaced."""
    if value is None:
        return ""
    text = value if isinstance(value, str) else str(storable(value))
    return text.strip().replace("\0", "\N{REPLACEMENT CHARACTER}").encode("utf-8", "replace").decode()


def _shown(value: Any) -> str:
    text = ascii(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
