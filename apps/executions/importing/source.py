"""A legacy export as a stream of batches, from any offset at which an earlier import stopped."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from io import BufferedReader
from pathlib import Path

from apps.executions.importing.parsing import REQUIRED, LegacyRow, LogParser, Unusable
from apps.executions.importing.records import Record, UnusableFile, csv_header, csv_records, json_records

FORMATS = ("csv", "jsonl")
MAX_BATCH_BYTES = 16 * 1024 * 1024


@dataclass(slots=True)
class Batch:
    """Up to `end`; the line after it is `next_line`."""

    end: int
    next_line: int
    rows: list[LegacyRow] = field(default_factory=list)
    rejected: list[tuple[int, str]] = field(default_factory=list)

    @property
    def days(self) -> set[date]:
        return {row.started_at.date() for row in self.rows}


def format_of(path: Path) -> str:
    """By the file's name. Raises `UnusableFile`."""
    found = {".csv": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl"}.get(path.suffix.lower())
    if found is None:
        raise UnusableFile(f"{path.name} is neither .csv nor .jsonl; say which by --format.")
    return found


class Source:
    """An open file. `size` and `digest` (SHA-256) say which it is, whatever it is called."""

    def __init__(self, file: BufferedReader, file_format: str) -> None:
        self._file = file
        self._format = file_format
        self._stat = self._look()
        self.size = self._stat[0]
        self.digest = hashlib.file_digest(file, "sha256").hexdigest()
        if file_format == "csv":
            self._header, self._start = csv_header(file)
            if missing := [name for name in REQUIRED if name not in self._header]:
                raise UnusableFile(f"The header has no column {' and no column '.join(missing)}.")
        else:
            self._header, self._start = [], 0

    @property
    def is_textual(self) -> bool:
        """Whether every value is a text, numbers too."""
        return self._format == "csv"

    def batches(self, parser: LogParser, *, offset: int, line: int, limit: int) -> Iterator[Batch]:
        """From `offset` (0: the beginning), where number `line` begins. Raises `UnusableFile` if the file changes."""
        begins = offset or self._start
        batch = Batch(begins, line if offset else (2 if self._start else 1))
        for record in self._records(begins, batch.next_line):
            try:
                if record.fields is None:
                    raise Unusable(record.problem)
                batch.rows.append(parser.parse(record.fields))
            except Unusable as error:
                batch.rejected.append((record.line, str(error)))
            batch.end, batch.next_line = record.end, record.line + record.lines
            if len(batch.rows) + len(batch.rejected) >= limit or batch.end - begins >= MAX_BATCH_BYTES:
                yield self._checked(batch)
                begins = batch.end
                batch = Batch(begins, batch.next_line)
        if batch.rows or batch.rejected:
            yield self._checked(batch)

    def _records(self, offset: int, line: int) -> Iterator[Record]:
        if self.is_textual:
            return csv_records(self._file, self._header, offset=offset, line=line)
        return json_records(self._file, offset=offset, line=line)

    def _checked(self, batch: Batch) -> Batch:
        if self._look() != self._stat:
            raise UnusableFile("The file changed while it was read.")
        return batch

    def _look(self) -> tuple[int, int]:
        stat = os.fstat(self._file.fileno())
        return stat.st_size, stat.st_mtime_ns
