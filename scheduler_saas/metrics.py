"""What Prometheus scrapes.

A web process shows the gauges, read from the database at that moment, so that every web process says the same. A
scheduler or a worker shows what it measures itself, on a port of its own (`telemetry`). No label has a tenant's text in
it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator

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
        families = {family.name: family for group in READS.values() for family in group}
        for family in (*families.values(), Family(ERRORS, "Reads of these gauges that failed.", (ERRORS,))):
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


class OneReader:
    """One thread reads at a time. Who waited for it takes what somebody read meanwhile, if that began after he asked:
    however many ask at once, the database is not asked by all of them, and nobody gets an old figure.
    """

    def __init__(self, read: Callable[[], bytes], *, clock: Callable[[], float] = time.monotonic) -> None:
        self._read, self._clock = read, clock
        self._reading = threading.Lock()
        self._began, self._last = float("-inf"), b""

    def read(self, *, asked: float) -> bytes:
        with self._reading:
            if self._began < asked:
                began = self._clock()
                self._last = self._read()
                self._began = began
            return self._last


def _read() -> bytes:
    registry = CollectorRegistry()
    registry.register(Gauges())
    text: bytes = generate_latest(registry)
    return text


_reader = OneReader(_read)


def metrics() -> HttpResponse:
    """503 without a database: no figure is better than an old one."""
    try:
        body = _reader.read(asked=time.monotonic())
    except DatabaseError as error:
        return HttpResponse(f"# {type(error).__name__}\n", status=503, content_type=CONTENT_TYPE_LATEST)
    return HttpResponse(body, content_type=CONTENT_TYPE_LATEST)
