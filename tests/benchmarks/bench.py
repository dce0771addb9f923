"""What every figure is given."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import psycopg

from tests.benchmarks.record import Figure

Session = psycopg.Connection[tuple[Any, ...]]


@dataclass(frozen=True, slots=True)
class Bench:
    """`rounds` are measured; one before them warms up."""

    rounds: int = 3


@dataclass(slots=True)
class Result:
    """A figure's lines, a sentence or two on how they came about, and text as it was printed."""

    figures: list[Figure]
    note: str = ""
    printed: str = ""
    chart: list[tuple[str, float]] = field(default_factory=list)
    chart_unit: str = ""


@contextmanager
def session(**settings: str) -> Iterator[Session]:
    """On Django's database, seeing all tenants."""
    from apps.tenants import machine

    with machine.connect(application_name="benchmark", session_settings=settings) as made:
        yield made


def emptied(made: Session, table: str, live: str = "true") -> Callable[[], bool]:
    """Whether no row of `table` is `live` any more. It looks at the youngest one by its id until that is gone.

    A question that walks over the dead rows of a queue takes as much of the server as the worker that is measured.
    """
    youngest = scalar(made, f"SELECT max(id) FROM {table}")
    questions = [
        f"SELECT EXISTS (SELECT FROM {table} WHERE id = {youngest or 0} AND {live})",
        f"SELECT EXISTS (SELECT FROM {table} WHERE {live})",
    ]

    def look() -> bool:
        while questions and not scalar(made, questions[0]):
            questions.pop(0)
        return not questions

    return look


def scalar(made: Session, statement: str) -> Any:
    row = made.execute(statement).fetchone()  # type: ignore[call-overload]
    return row[0]
