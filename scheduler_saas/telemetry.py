"""What a scheduler or a worker tells of itself besides its log: metrics on a port of its own, and traces.

Both are off unless the settings say otherwise, and neither stops anybody's work: what cannot be had is logged.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.conf import settings
from prometheus_client import start_http_server

from apps.leadership import tracing

logger = logging.getLogger(__name__)


@contextmanager
def telemetry(service: str) -> Iterator[None]:
    """For as long as the process works. `service` is its name in traces. At the end what is not sent yet is sent."""
    _serve_metrics()
    provider = _tracer_provider(service)
    if provider is not None:
        tracing.use(provider.get_tracer("scheduler_saas", settings.VERSION))
    try:
        yield
    finally:
        if provider is not None:
            tracing.use(None)
            provider.shutdown()


def _serve_metrics() -> None:
    """Answer Prometheus from a thread."""
    if not settings.METRICS_PORT:
        return
    try:
        start_http_server(settings.METRICS_PORT, addr=settings.METRICS_HOST)
    except OSError as error:
        logger.error("no metrics on %s:%s: %s", settings.METRICS_HOST, settings.METRICS_PORT, error)
    else:
        logger.info("metrics on %s:%s", settings.METRICS_HOST, settings.METRICS_PORT)


def _tracer_provider(service: str) -> Any:
    """None without an endpoint, or without the packages of requirements/otel.txt.

    The SDK itself reads OpenTelemetry's other variables: OTEL_TRACES_SAMPLER, OTEL_EXPORTER_OTLP_HEADERS and so on.
    """
    if not settings.OTEL_EXPORTER_OTLP_ENDPOINT:
        return None
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError as error:
        logger.error("no traces: %s; install requirements/otel.txt", error)
        return None
    url = f"{settings.OTEL_EXPORTER_OTLP_ENDPOINT.rstrip('/')}/v1/traces"
    resource = Resource.create({"service.name": service, "service.version": settings.VERSION})
    provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=url)))
    logger.info("traces to %s", url)
    return provider
