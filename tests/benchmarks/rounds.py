"""Contenders in turn, so that whatever else the machine does meets all of them."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Mapping, Sequence


def interleaved(
    contenders: Mapping[str, Callable[[], float]], *, rounds: int, warm_up: bool = True
) -> dict[str, float]:
    """The median of `rounds` measurements of each; with `warm_up` a first round is thrown away."""
    values: dict[str, list[float]] = {name: [] for name in contenders}
    for number in range(rounds + warm_up):
        for name, measure in contenders.items():
            value = measure()
            if number or not warm_up:
                values[name].append(value)
    return {name: statistics.median(measured) for name, measured in values.items()}


def percentile(values: Sequence[float], percent: float) -> float:
    """The smallest value that so many percent are not above (nearest rank). Raises ValueError without values."""
    if not values:
        raise ValueError("no values")
    ordered = sorted(values)
    rank = math.ceil(len(ordered) * percent / 100)
    return ordered[max(rank, 1) - 1]
