"""Spans of OpenTelemetry, if the process was started with them (`use`); else nothing, at no cost.

Attributes are numbers and words of ours: no names, no content.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Protocol

Attributes = Mapping[str, str | int]


class Tracer(Protocol):
    """What is used of OpenTelemetry's."""

    def start_span(self, name: str, *, start_time: int | None = ..., attributes: Any = ...) -> Any: ...
    def start_as_current_span(self, name: str, *, attributes: Any = ...) -> Any: ...


_tracer: Tracer | None = None


def use(tracer: Tracer | None) -> None:
    """Give the spans of this process to `tracer`; None: to nobody."""
    global _tracer
    _tracer = tracer


def is_on() -> bool:
    return _tracer is not None


def record(name: str, attributes: Attributes, *, seconds: float) -> None:
    """A span that has just ended and took `seconds`: for loops that know only then if there was anything to tell."""
    if _tracer is not None:
        end = time.time_ns()
        _tracer.start_span(name, start_time=end - round(seconds * 1e9), attributes=attributes).end(end)


@contextmanager
def span(name: str, attributes: Attributes) -> Iterator[dict[str, str | int | bool]]:
    """A span around a block, which may say more of it in the dictionary that it gets."""
    more: dict[str, str | int | bool] = {}
    if _tracer is None:
        yield more
        return
    with _tracer.start_as_current_span(name, attributes=attributes) as current:
        try:
            yield more
        finally:
            current.set_attributes(more)


def headers() -> dict[str, str]:
    """`traceparent` of the span that this runs in, for a request that is part of it. Empty without one."""
    if _tracer is None:
        return {}
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    carrier: dict[str, str] = {}
    TraceContextTextMapPropagator().inject(carrier)
    return {name: value for name, value in carrier.items() if name == "traceparent"}
