"""The built-in tasks. Their failures are sentences of ours; what the server said is in the result, for the tenant."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from apps.executions.targets import webhooks
from apps.executions.targets.builtin_params import HttpCheckParams, HttpRequestParams
from apps.executions.targets.context import ExecutionContext, Resources, TargetFailed, TargetResult
from apps.executions.targets.http import HttpResponse
from apps.executions.targets.registry import task
from apps.leadership import tracing

GONE = 410
MAX_RETRY_AFTER = 86_400.0  # a day; one typed too many zeros must not park an execution for months


@task("http_request", params=HttpRequestParams, title="HTTP request", category="http", public=True)
async def http_request(
    params: dict[str, Any], context: ExecutionContext, resources: Resources
) -> TargetResult:
    """Send a request, signed when it goes to the tenant's endpoint or names a secret. 410 switches the job off."""
    url, secrets = _destination(params, resources)
    body, content_type = _body(params, context)
    headers: dict[str, str] = params["headers"]
    own = webhooks.delivery_headers(context)
    if content_type and not any(name.lower() == "content-type" for name in headers):
        own["content-type"] = content_type
    if not any(name.lower() == "traceparent" for name in headers):
        own |= tracing.headers()
    if secrets:
        try:
            own |= webhooks.sign(secrets, context.message_id, int(resources.clock()), body or b"")
        except webhooks.SecretError as error:
            raise TargetFailed(str(error), permanent=True) from None
    response = await resources.http.request(
        params["method"], url, timeout=context.timeout_seconds, headers=headers, own_headers=own, body=body
    )
    now = _now(resources)
    result = {
        "status": response.status,
        "elapsed_ms": response.elapsed_ms,
        "content_type": response.headers.get("content-type", ""),
        "body": response.body.decode("utf-8", "replace"),
        "truncated": response.truncated,
    }
    return _judged(response, params.get("expected_status"), result, now)


@task("http_check", params=HttpCheckParams, title="HTTP check", category="http", public=True)
async def http_check(params: dict[str, Any], context: ExecutionContext, resources: Resources) -> TargetResult:
    """Ask for a page; its status, its latency in milliseconds and the days its certificate has left."""
    response = await resources.http.request(params["method"], params["url"], timeout=context.timeout_seconds)
    left = response.certificate_expires_at
    now = _now(resources)
    days = None if left is None else (left - now).days
    result = {"status": response.status, "latency_ms": response.elapsed_ms, "tls_days_left": days}
    minimum = params.get("min_tls_days")
    if minimum is not None and (days is None or days < minimum):
        return TargetResult("failed", result, f"the certificate has {days} days left, fewer than {minimum}")
    return _judged(response, params.get("expected_status"), result, now)


def _destination(params: dict[str, Any], resources: Resources) -> tuple[str, list[str]]:
    endpoint = resources.endpoint
    url = params.get("url") or (endpoint.url if endpoint else "")
    if not url:
        raise TargetFailed("the job names no URL and the tenant has no endpoint", permanent=True)
    secrets = endpoint.secrets if endpoint and url == endpoint.url else []
    if "secret" in params:
        secrets = resources.secrets.get(params["secret"], [])
        if not secrets:
            raise TargetFailed("the job signs with a secret that does not exist", permanent=True)
    return url, secrets


def _body(params: dict[str, Any], context: ExecutionContext) -> tuple[bytes | None, str]:
    """The exact bytes that are signed and sent. A POST, PUT or PATCH without content says which execution it is."""
    if "body" in params:
        return params["body"].encode(), "text/plain; charset=utf-8"
    if "json" in params:
        content = params["json"]
    elif params["method"] in ("POST", "PUT", "PATCH"):
        content = execution_content(context)
    else:
        return None, ""
    return json.dumps(content, separators=(",", ":")).encode(), "application/json"


def execution_content(context: ExecutionContext) -> dict[str, Any]:
    """Which execution this is, for a receiver that is told nothing else."""
    return {
        "execution_id": str(context.execution_id),
        "job_id": None if context.job_id is None else str(context.job_id),
        "job_name": context.job_name,
        "scheduled_for": context.scheduled_for.isoformat(),
        "attempt": context.attempt,
    }


def _now(resources: Resources) -> datetime:
    return datetime.fromtimestamp(resources.clock(), UTC)


def _judged(
    response: HttpResponse, expected: list[int] | None, result: dict[str, Any], now: datetime
) -> TargetResult:
    status = response.status
    if status in expected if expected else 200 <= status < 300:
        return TargetResult("ok", result)
    wanted = ", ".join(map(str, expected)) if expected else "200 to 299"
    sentence = f"the server answered {status}, expected {wanted}"
    if 300 <= status < 400:
        sentence += "; redirects are not followed"
    delay = retry_after(response.headers, now)
    # RFC 9110, 15.5.11: it is not there, will not be, and its owners want nobody to ask for it any more.
    gone = status == GONE
    return TargetResult("failed", result, sentence, retry_after=delay, permanent=gone, gone=gone)


def retry_after(headers: Mapping[str, str], now: datetime) -> float | None:
    """Seconds to wait as the server asks (RFC 9110, 10.2.3: seconds or a date), at most a day; None if it does not.

    Whatever the status: 429 and 503 say so, but others may. A date is counted from the answer's own `Date`, so that it
    is reached by the server's clock, and from `now` where there is none.
    """
    value = headers.get("retry-after", "").strip()
    if value.isascii() and value.isdigit():
        return min(float(value[:12]), MAX_RETRY_AFTER)
    moment = _http_date(value)
    if moment is None:
        return None
    since = _http_date(headers.get("date", "")) or now
    return min(max(0.0, (moment - since).total_seconds()), MAX_RETRY_AFTER)


def _http_date(value: str) -> datetime | None:
    try:
        moment = parsedate_to_datetime(value)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
