"""What an alert looks at. Each is a PromQL expression, and the same of a reading of `gauges`.

Every web process reads the same figures from the database, so `max` takes one value where several are scraped.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

Figures = Mapping[str, float]


class Measure(Protocol):
    @property
    def names(self) -> tuple[str, ...]:
        """The samples, or families of samples, that it needs."""

    def promql(self, comparison: str, threshold: str) -> str: ...

    def value(self, figures: Figures) -> float | None:
        """None: there is nothing to compare, and so no alert."""


def known(measure: Measure, figures: Figures) -> bool:
    """Whether all that it needs has been read."""
    return all(family(figures, name) for name in measure.names)


@dataclass(frozen=True, slots=True)
class Largest:
    """A sample, or the largest one of a family."""

    name: str

    @property
    def names(self) -> tuple[str, ...]:
        return (self.name,)

    def promql(self, comparison: str, threshold: str) -> str:
        return f"max({self.name}) {comparison} {threshold}"

    def value(self, figures: Figures) -> float | None:
        return max(family(figures, self.name), default=None)


@dataclass(frozen=True, slots=True)
class Share:
    """`part` of the sum of `whole`, once that is `at_least` so much: of little nothing can be said."""

    part: str
    whole: tuple[str, ...]
    at_least: int = 0

    @property
    def names(self) -> tuple[str, ...]:
        return (self.part, *self.whole)

    def promql(self, comparison: str, threshold: str) -> str:
        whole = " + ".join(f"max({name})" for name in self.whole)
        whole = f"({whole})" if len(self.whole) > 1 else whole
        condition = f"max({self.part}) / {whole} {comparison} {threshold}"
        return f"{condition} and {whole} >= {self.at_least}" if self.at_least else condition

    def value(self, figures: Figures) -> float | None:
        part = max(family(figures, self.part), default=None)
        whole = [max(family(figures, name), default=None) for name in self.whole]
        known = [each for each in whole if each is not None]
        total = sum(known)
        if part is None or len(known) < len(whole) or not total or total < self.at_least:
            return None
        return part / total


@dataclass(frozen=True, slots=True)
class Absent:
    """1 while nobody tells `name`. Only who scrapes can see it."""

    name: str

    @property
    def names(self) -> tuple[str, ...]:
        return (self.name,)

    def promql(self, comparison: str, threshold: str) -> str:
        return f"absent({self.name}) {comparison} {threshold}"

    def value(self, figures: Figures) -> float | None:
        return 0.0 if family(figures, self.name) else 1.0


def family(figures: Figures, name: str) -> list[float]:
    """The sample `name`, or all samples of that name whatever their labels."""
    return [value for key, value in figures.items() if key == name or key.startswith(f"{name}{{")]
