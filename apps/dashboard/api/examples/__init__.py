"""Examples for the description of the API: a body and an answer of every operation, and each refusal it may get.

One story, told by one module a part: at Acme, on the morning of 25 November 2026, Alice looks after job 42, "Nightly
invoices". All literals, put together once, on import. A test holds each to the operation's schema, and sends the bodies
to the API.
"""

from __future__ import annotations

from typing import Any

from apps.dashboard.api.examples import (
    calendars,
    channels,
    events,
    insights,
    jobs,
    logs,
    operations,
    overview,
    people,
    platforms,
    runs,
)
from apps.dashboard.api.examples.refusals import refusal_of

_PARTS = (jobs, calendars, runs, logs, events, platforms, channels, people, operations, overview, insights)
BODIES: dict[str, Any] = {name: body for part in _PARTS for name, body in part.BODIES.items()}
ANSWERS: dict[str, dict[str, Any]] = {
    name: answers for part in _PARTS for name, answers in part.ANSWERS.items()
}
_NONE = object()


def attach(operation: dict[str, Any]) -> None:
    """Give an operation of the description its examples. Those that the view itself has named stay."""
    name = operation["operationId"]
    if "requestBody" in operation:
        body = operation["requestBody"]
        body["content"] = _with_example(body["content"], BODIES.get(name, _NONE))
    known = ANSWERS.get(name, {})
    for code, answer in operation["responses"].items():
        example = known[code] if code in known else refusal_of(name, code, default=_NONE)
        answer["content"] = _with_example(answer["content"], example)


def _with_example(content: dict[str, Any], example: Any) -> dict[str, Any]:
    """A copy: operations share the content of their refusals."""
    if example is _NONE:
        return content
    return {
        kind: media if "examples" in media else media | {"example": example}
        for kind, media in content.items()
    }
