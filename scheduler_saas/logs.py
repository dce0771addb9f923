"""How log lines are written: for people (LOG_FORMAT=text) or for a collector (LOG_FORMAT=json, one object a line)."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable
from datetime import UTC, datetime

from django.conf import settings
from django.core.exceptions import MiddlewareNotUsed
from django.http import HttpRequest, HttpResponseBase

from apps.tenants.log_context import log_about, log_context

requests = logging.getLogger("scheduler.requests")


class TextFormatter(logging.Formatter):
    """The line, and at its end the numbers of the tenant and the execution that it is about."""

    def format(self, record: logging.LogRecord) -> str:
        first, newline, rest = super().format(record).partition("\n")
        about = "".join(f" {name}={value}" for name, value in _about(record).items())
        return f"{first}{about}{newline}{rest}"


class JsonFormatter(logging.Formatter):
    """`time` (UTC), `level`, `logger`, `message`; `tenant_id` and `execution_id` where the line is about one;
    `exception` with its trace; and the fields of a request."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            **_about(record),
            **getattr(record, "fields", {}),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        if record.stack_info:
            line["stack"] = record.stack_info
        return json.dumps(line, default=str)


def _about(record: logging.LogRecord) -> dict[str, int]:
    # Of the task or thread that logs: handlers run in it.
    return {name: value for name, value in log_context()._asdict().items() if value is not None}


class RequestLogMiddleware:
    """One line for each request: its method, its route (not its path, which may name a user), status and milliseconds.

    Only where LOG_FORMAT is json; else the web server's own access log tells.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        if settings.LOG_FORMAT != "json":
            raise MiddlewareNotUsed
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        started = time.monotonic()
        log_about()
        try:
            response = self.get_response(request)
            match = request.resolver_match
            fields = {
                "method": request.method,
                "route": match.route if match is not None else None,
                "status": response.status_code,
                "ms": round((time.monotonic() - started) * 1000, 1),
            }
            requests.info("%(method)s %(route)s %(status)s", fields, extra={"fields": fields})
            return response
        finally:
            log_about()
