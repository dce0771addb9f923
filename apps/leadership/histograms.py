"""Prometheus histograms that take many observations in one call, for loops that handle thousands of rows together."""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence

from prometheus_client import REGISTRY, CollectorRegistry
from prometheus_client.core import HistogramMetricFamily, Metric

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800)


class Histogram:
    """`label` is the name of its one label, if it has one. Scraped from the process that moved it."""

    def __init__(
        self,
        name: str,
        text: str,
        *,
        label: str = "",
        bounds: Sequence[float] = SECONDS,
        registry: CollectorRegistry = REGISTRY,
    ) -> None:
        self._name, self._text, self._label, self._bounds = name, text, label, tuple(bounds)
        self._cells: dict[
            str, list[float]
        ] = {}  # by value of the label: a count for each bucket, then the sum
        self._lock = threading.Lock()
        registry.register(self)

    def observe(self, value: float, *, of: str = "") -> None:
        """Count one. `of` is the label's value."""
        self.observe_all(((value, 1),), of=of)

    def observe_all(self, values: Iterable[tuple[float, int]], *, of: str = "") -> None:
        """Count values, each with how often it occurred."""
        with self._lock:
            cell = self._cells.get(of)
            if cell is None:
                cell = self._cells[of] = [0.0] * (len(self._bounds) + 2)
            for value, n in values:
                cell[bisect_left(self._bounds, value)] += n
                cell[-1] += value * n

    def describe(self) -> list[Metric]:
        """Nothing to compare names by: the registry need not collect at once."""
        return []

    def collect(self) -> Iterator[Metric]:
        with self._lock:
            cells = {value: list(cell) for value, cell in self._cells.items()}
        family = HistogramMetricFamily(self._name, self._text, labels=[self._label] if self._label else None)
        for value, cell in sorted(cells.items()):
            so_far, buckets = 0.0, []
            for bound, n in zip((*self._bounds, float("inf")), cell, strict=False):
                so_far += n
                buckets.append((_name_of(bound), so_far))
            family.add_metric([value] if self._label else [], buckets, sum_value=cell[-1])
        yield family


def _name_of(bound: float) -> str:
    return "+Inf" if bound == float("inf") else str(float(bound))
