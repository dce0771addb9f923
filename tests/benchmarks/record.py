"""What was measured: one line for each comparison, in `var/bench.json` and in the tables."""

from __future__ import annotations

import json
import operator
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

_COMPARE = {">=": operator.ge, "<=": operator.le, "<": operator.lt}


@dataclass(frozen=True, slots=True)
class Goal:
    """What has to hold of a figure's value, or of its ratio to the reference."""

    of: Literal["value", "ratio"]
    relation: Literal[">=", "<=", "<"]
    bound: float

    def __str__(self) -> str:
        return f"{self.of} {self.relation} {self.bound:g}"

    def met(self, *, value: float | None, ratio: float | None) -> bool | None:
        """None where there is nothing to judge: it was not measured."""
        judged = ratio if self.of == "ratio" else value
        return None if judged is None else bool(_COMPARE[self.relation](judged, self.bound))


@dataclass(frozen=True, slots=True)
class Figure:
    """`name` begins with its benchmark and a dot. `ratio` is value / reference, whichever of them should be greater.

    `against` names the peer or limit; where that could not be measured it says why, and `reference` is None.
    """

    name: str
    value: float | None
    unit: str
    against: str = ""
    reference: float | None = None
    goal: Goal | None = None

    @property
    def benchmark(self) -> str:
        return self.name.partition(".")[0]

    @property
    def ratio(self) -> float | None:
        return None if self.value is None or not self.reference else self.value / self.reference

    @property
    def met(self) -> bool | None:
        return None if self.goal is None else self.goal.met(value=self.value, ratio=self.ratio)

    def as_row(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "value": rounded(self.value),
            "unit": self.unit,
            "against": self.against,
            "reference": rounded(self.reference),
            "ratio": rounded(self.ratio),
            "goal": None if self.goal is None else str(self.goal),
            "met": self.met,
        }


def rounded(number: float | None) -> float | None:
    """Four digits: more would be noise."""
    return None if number is None else float(f"{number:.4g}")


def merge(path: Path, figures: Iterable[Figure], *, benchmark: str) -> list[dict[str, Any]]:
    """Put a benchmark's figures into the file, in the place of those it had; all that is in it."""
    rows = json.loads(path.read_text(encoding="utf-8")) if path.exists() else []
    kept = [row for row in rows if row["name"].partition(".")[0] != benchmark]
    rows = sorted(
        [*kept, *(figure.as_row() for figure in figures)], key=lambda row: row["name"].partition(".")[0]
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(rows, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return rows
