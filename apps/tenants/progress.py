"""How far a long command got: a bar on a terminal, a line now and then in a log."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

LINE_EVERY = 10.0  # seconds
Step = Callable[[int, int, str], None]


@contextmanager
def progress_to(stream: Any, title: str, *, quiet: bool = False) -> Iterator[Step]:
    """A function of how much is done, how much there is, and what to say about it. Quiet: it says nothing."""
    if quiet:
        yield lambda done, total, text: None
    elif stream.isatty():
        with _bar(stream) as bar:
            task = bar.add_task(title, total=None, text="")
            yield lambda done, total, text: bar.update(task, completed=done, total=total, text=text)
    else:
        yield _lines(stream, title)


def _bar(stream: Any) -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[text]}", markup=False),
        console=Console(file=stream),
        transient=True,
    )


def _lines(stream: Any, title: str) -> Step:
    last = time.monotonic()

    def step(done: int, total: int, text: str) -> None:
        nonlocal last
        if time.monotonic() - last >= LINE_EVERY:
            last = time.monotonic()
            stream.write(f"{title}: {100 * done // max(total, 1)} %, {text}")

    return step
