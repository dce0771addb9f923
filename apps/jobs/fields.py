"""The plain fields of a job: how long a text may be, how large a number, and the sentence when it is not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import Any

from django.db.models import TextChoices

from apps.jobs.specs import JobRefused
from apps.jobs.states import Misfire, Overlap

MAX_REASON = 500


class _May(StrEnum):
    """Whether a text may be left out: never, by being empty, or by being null."""

    NOT = "not"
    BE_EMPTY = "be empty"
    BE_NULL = "be null"


_TEXTS: dict[str, tuple[int, _May]] = {
    "name": (200, _May.NOT),
    "target": (200, _May.NOT),
    "task_type": (200, _May.BE_EMPTY),
    "task_category": (100, _May.NOT),
    "user_id": (200, _May.BE_NULL),
    "external_key": (200, _May.BE_NULL),
    "platform": (50, _May.BE_NULL),
    "website_url": (2000, _May.BE_NULL),
}
_NUMBERS = {
    "misfire_grace_seconds": (0, 7 * 86_400),
    "misfire_max_runs": (1, 1_000),
    "misfire_pace_seconds": (0, 3_600),
    "jitter_seconds": (0, 86_400),
    "timeout_seconds": (1, 7 * 86_400),
    "max_attempts": (1, 25),
    "retry_delay_seconds": (0, 86_400),
    "retry_max_delay_seconds": (0, 7 * 86_400),
    "priority": (-100, 100),
    "cool_off_after": (0, 1_000),
    "cool_off_seconds": (1, 86_400),
}
_MOST_AT_ONCE = 1_000  # executions of one job
_CHOICES: dict[str, type[TextChoices]] = {"misfire": Misfire, "overlap": Overlap}


def reason_text(reason: object) -> str:
    """The reason somebody gives for a change. Raises JobRefused."""
    text = trimmed(reason)
    if sentence := _text_complaint(text, MAX_REASON, _May.BE_EMPTY):
        raise JobRefused({"reason": sentence})
    return str(text)


def name_text(name: object) -> str:
    """The name of something that is no job. Raises JobRefused."""
    text = trimmed(name)
    if sentence := _text_complaint(text, *_TEXTS["name"]):
        raise JobRefused({"name": sentence})
    return str(text)


def trimmed(value: Any) -> Any:
    return value.strip() if isinstance(value, str) else value


def complaints(columns: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """(field, sentence) for each field of a spec that cannot be stored."""
    for name, (longest, may) in _TEXTS.items():
        if sentence := _text_complaint(columns[name], longest, may):
            yield name, sentence
    for name, (low, high) in _NUMBERS.items():
        value = columns[name]
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            yield name, f"Use a whole number from {low:,} to {high:,}."
    for name, choices in _CHOICES.items():
        if columns[name] not in choices.values:
            yield name, f"Use one of {', '.join(choices.values)}."
    at_once = columns["max_concurrency"]
    if at_once is not None and not (_is_bigint(at_once) and 1 <= at_once <= _MOST_AT_ONCE):
        yield "max_concurrency", f"Use a whole number from 1 to {_MOST_AT_ONCE:,}, or null for no limit."
    yield from complaints_of_calendar(columns["calendar_id"])
    if columns["legacy_user_id"] is not None and not _is_bigint(columns["legacy_user_id"]):
        yield "legacy_user_id", "The integer form of a user id is a whole number."
    url = columns["website_url"]
    if isinstance(url, str) and (" " in url or not url.lower().startswith(("http://", "https://"))):
        yield "website_url", "An address begins with http:// or https:// and has no spaces."


def complaints_of_calendar(calendar_id: object) -> Iterator[tuple[str, str]]:
    if calendar_id is not None and not _is_bigint(calendar_id):
        yield "calendar_id", "Use the id of one of your calendars, or null."


def _text_complaint(value: object, longest: int, may: _May) -> str | None:
    if value is None and may is _May.BE_NULL:
        return None
    if not isinstance(value, str):
        return "This has to be text."
    if not value and may is not _May.BE_EMPTY:
        return "This cannot be empty."
    if len(value) > longest:
        return f"At most {longest:,} characters; this has {len(value):,}."
    # Not only NUL, which Postgres cannot store: a line break in a name forges lines in logs.
    if not value.isprintable():
        return "This has characters in it that cannot be shown, such as line breaks or NUL."
    return None


def _is_bigint(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and -(2**63) <= value < 2**63
