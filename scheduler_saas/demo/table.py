"""Showing the figures: a live table on a terminal, a plain line every few seconds elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, TextIO

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from scheduler_saas.demo.figures import Figures

_LINE_EVERY = 5  # samples


class Display(Protocol):
    def __enter__(self) -> Display: ...
    def __exit__(self, *error: object) -> None: ...
    def show(self, figures: Figures) -> None: ...
    def note(self, sentence: str) -> None: ...


def display(stream: TextIO, welcome: Sequence[str]) -> Display:
    return LiveTable(stream, welcome) if stream.isatty() else PlainLines(stream, welcome)


class PlainLines:
    def __init__(self, stream: TextIO, welcome: Sequence[str]) -> None:
        self._stream = stream
        self._welcome = welcome
        self._shown = 0

    def __enter__(self) -> PlainLines:
        for line in self._welcome:
            self.note(line)
        return self

    def __exit__(self, *error: object) -> None:
        return None

    def show(self, figures: Figures) -> None:
        self._shown += 1
        if self._shown % _LINE_EVERY == 0:
            self.note(", ".join(f"{name} {value}" for name, value in cells(figures)))

    def note(self, sentence: str) -> None:
        self._stream.write(f"{sentence}\n")
        self._stream.flush()


class LiveTable:
    def __init__(self, stream: TextIO, welcome: Sequence[str]) -> None:
        self._notes = list(welcome)
        self._live = Live(console=Console(file=stream), auto_refresh=False)

    def __enter__(self) -> LiveTable:
        for line in self._notes:
            self._live.console.print(line, markup=False, highlight=False, soft_wrap=True)
        self._notes = []
        self._live.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        self._live.__exit__(*error)

    def show(self, figures: Figures) -> None:
        table = Table(title="Scheduler SaaS")
        for name, _ in cells(figures):
            table.add_column(name, justify="left" if name == "leader" else "right")
        table.add_row(*(value for _, value in cells(figures)))
        notes = [Text(line) for line in self._notes[-3:]]
        self._live.update(Group(table, *notes, Text("Ctrl-C ends the demo.", style="dim")), refresh=True)

    def note(self, sentence: str) -> None:
        self._notes.append(sentence)


def cells(figures: Figures) -> list[tuple[str, str]]:
    return [
        ("leader", figures.leader),
        ("epoch", str(figures.epoch or "-")),
        ("fired", f"{figures.fired:,}"),
        ("succeeded", f"{figures.succeeded:,}"),
        ("failed", f"{figures.failed:,}"),
        ("skipped", f"{figures.skipped:,}"),
        ("per second", f"{figures.per_second:.0f}"),
        ("lag p50", _ms(figures.lag_p50)),
        ("lag p99", _ms(figures.lag_p99)),
        ("waiting", str(figures.waiting)),
        ("running", str(figures.running)),
    ]


def _ms(value: float | None) -> str:
    return "-" if value is None else f"{value:.0f} ms"
