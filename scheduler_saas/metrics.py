"""What Prometheus scrapes.

A web process shows the gauges, read from the database at that moment, so that every web process says the same. A
scheduler or a worker shows what it measures itself, on a port of its own (`telemetry`). No label has a tenant's text in
it.
"""

from __future__ import annotations

from collections.abc import Iterator

from django.db import DatabaseError
from django.http import HttpResponse
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from apps.operations.gauges import ERRORS, read_gauges
from apps.operations.gauges.families import READS, Family


class Gauges:
    """`read_gauges` as Prometheus wants it told."""

    def collect(self) -> Iterator[Metric]:
        by_family: dict[str, list[tuple[dict[str, str], float]]] = {}
        for sample, value in read_gauges().items():
            name, labels = _parsed(sample)
            by_family.setdefault(name, []).append((labels, value))
        families = [family for group in READS.values() for family in group]
        for family in (*families, Family(ERRORS, "Reads of these gauges that failed.", (ERRORS,))):
            if samples := by_family.get(family.name):
                yield _metric(family, samples)


def _metric(family: Family, samples: list[tuple[dict[str, str], float]]) -> Metric:
    kind = CounterMetricFamily if family.is_counter else GaugeMetricFamily
    names = list(samples[0][0])
    metric: CounterMetricFamily | GaugeMetricFamily = kind(family.name, family.help, labels=names)
    for labels, value in samples:
        metric.add_metric([labels[name] for name in names], value)
    return metric


def _parsed(sample: str) -> tuple[str, dict[str, str]]:
    """`name{a="b"}`: values are words of ours, without commas or quotes."""
    name, _, rest = sample.partition("{")
    pairs = (pair.partition("=") for pair in rest.removesuffix("}").split(",") if pair)
    return name, {label: value.strip('"') for label, _, value in pairs}


def metrics() -> HttpResponse:
    """503 without a database: no figure is better than an old one."""
    registry = CollectorRegistry()
    try:
        registry.register(Gauges())
        body = generate_latest(registry)
    except DatabaseError as error:
        return HttpResponse(f"# {type(error).__name__}\n", status=503, content_type=CONTENT_TYPE_LATEST)
    return HttpResponse(body, content_type=CONTENT_TYPE_LATEST)
