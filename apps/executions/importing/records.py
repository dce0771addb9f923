"""A file into records. Each knows the offset after it, so that reading can go on there another day.

A CSV record may span lines, where a quoted field holds line breaks. One that never closes its quote, or has not as
many fields as the header, is given up after its first line, and the next line is looked at afresh: a stray quote costs
one line and not all that follow it.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO

MAX_RECORD = 1024 * 1024  # bytes
_TOO_LONG = f"is longer than {MAX_RECORD} bytes"

csv.field_size_limit(MAX_RECORD)


@dataclass(frozen=True, slots=True)
class Record:
    """`line` is the number of its first line, from 1. Either `fields`, or the `problem` that left it without."""

    line: int
    end: int
    lines: int
    fields: dict[str, Any] | None = None
    problem: str = ""


class UnusableFile(ValueError):
    """No line of the file can be taken; the message is a sentence that says why."""


def csv_header(file: BinaryIO) -> tuple[list[str], int]:
    """The names of the columns, and the offset after them. Raises `UnusableFile`."""
    file.seek(0)
    first = file.readline(MAX_RECORD + 1)
    try:
        names = [name.strip() for name in _csv_fields(first.decode("utf-8-sig"))]
    except (UnicodeDecodeError, csv.Error) as error:
        raise UnusableFile("The first line is no CSV header.") from error
    if len(set(names)) < len(names):
        raise UnusableFile("The header names a column twice.")
    return names, len(first)


def csv_records(file: BinaryIO, header: Sequence[str], *, offset: int, line: int) -> Iterator[Record]:
    """The records from `offset` on, where line number `line` begins."""
    file.seek(offset)
    while raw := file.readline(MAX_RECORD + 1):
        offset += len(raw)
        if len(raw) > MAX_RECORD:
            offset += _skip_line(file, raw)
            yield Record(line, offset, 1, problem=_TOO_LONG)
        elif raw.strip():
            record = _csv_record(raw, header, line, offset, 1)
            if record.problem and raw.count(b'"') % 2:
                record = _spanning(file, raw, header, line, offset) or record
                file.seek(record.end)
            yield record
            offset, line = record.end, line + record.lines - 1
        line += 1


def _spanning(file: BinaryIO, raw: bytes, header: Sequence[str], line: int, end: int) -> Record | None:
    """The record that begins with the line `raw` and closes its quote in a later one, if there is a good one."""
    parts, size, quotes = [raw], len(raw), raw.count(b'"')
    while quotes % 2 and size <= MAX_RECORD and (more := file.readline(MAX_RECORD + 1)):
        parts.append(more)
        size, quotes = size + len(more), quotes + more.count(b'"')
    record = _csv_record(b"".join(parts), header, line, end + size - len(raw), len(parts))
    return None if record.problem else record


def json_records(file: BinaryIO, *, offset: int, line: int) -> Iterator[Record]:
    """As `csv_records`: an object a line."""
    file.seek(offset)
    while raw := file.readline(MAX_RECORD + 1):
        problem, fields = "", None
        offset += len(raw)
        if len(raw) > MAX_RECORD:
            offset += _skip_line(file, raw)
            problem = _TOO_LONG
        elif raw.strip():
            try:
                fields = json.loads(raw.decode("utf-8-sig" if line == 1 else "utf-8"))
                if not isinstance(fields, dict):
                    problem, fields = "is no JSON object", None
            except UnicodeDecodeError:
                problem = "is not UTF-8"
            except (ValueError, RecursionError):
                problem = "is no JSON"
        if fields is not None or problem:
            yield Record(line, offset, 1, fields, problem)
        line += 1


def _csv_record(raw: bytes, header: Sequence[str], line: int, end: int, lines: int) -> Record:
    try:
        fields = _csv_fields(raw.decode())
    except UnicodeDecodeError:
        return Record(line, end, lines, problem="is not UTF-8")
    except csv.Error as error:
        return Record(line, end, lines, problem=f"is no CSV: {error}")
    if len(fields) != len(header):
        return Record(line, end, lines, problem=f"has {len(fields)} fields, the header {len(header)}")
    return Record(line, end, lines, dict(zip(header, fields, strict=True)))


def _csv_fields(text: str) -> list[str]:
    return next(csv.reader([text], strict=True), [])


def _skip_line(file: BinaryIO, raw: bytes) -> int:
    """Read to the end of a line of which `raw` is the beginning; how many bytes that was."""
    skipped = 0
    while raw and not raw.endswith(b"\n"):
        raw = file.readline(MAX_RECORD)
        skipped += len(raw)
    return skipped
