"""The file of lines that were not taken: JSON Lines, `{"line": 7, "reason": "..."}`, in the order of the import."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO


class RejectsUnusable(Exception):
    """The rejects file is in use, or shorter than the import that is to be resumed has made it; a sentence."""


class RejectsFile:
    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def add(self, line: int, reason: str) -> None:
        self._file.write(json.dumps({"line": line, "reason": reason}).encode() + b"\n")

    def flush(self) -> int:
        """On disk, before the batch is committed that says so; the offset to store with it."""
        self._file.flush()
        os.fsync(self._file.fileno())
        return self._file.tell()


@contextmanager
def rejects_file(path: Path, *, offset: int) -> Iterator[RejectsFile]:
    """The file, for this process alone, cut to `offset`: what lies behind it was of a batch that never was committed.

    Raises `RejectsUnusable`.
    """
    with path.open("a+b") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise RejectsUnusable(f"Another import is writing to {path}.") from None
        size = os.fstat(file.fileno()).st_size
        if size < offset:
            raise RejectsUnusable(
                f"{path} has {size} bytes, but the import that is to be resumed wrote {offset} into its rejects file. "
                "Name the same file again."
            )
        file.truncate(offset)
        file.seek(0, os.SEEK_END)
        yield RejectsFile(file)
