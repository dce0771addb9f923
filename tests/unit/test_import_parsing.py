"""Lines of a legacy export: what each becomes, and what is said of those that become nothing."""

from __future__ import annotations

import io
import json
import tracemalloc
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from apps.executions.importing.parsing import LogParser, Unusable
from apps.executions.importing.records import (
    MAX_RECORD,
    Record,
    UnusableFile,
    csv_header,
    csv_records,
    json_records,
)
from apps.executions.importing.source import Source

pytestmark = pytest.mark.same_on_every_postgres

NOW = datetime(2026, 6, 1, tzinfo=UTC)
CSV = LogParser(now=NOW, textual=True)
JSON = LogParser(now=NOW, textual=False)
GOOD = {"status": "success", "execution_date": "2024-03-01T10:00:00Z"}


def parsed(parser: LogParser, **fields: Any) -> Any:
    return parser.parse(GOOD | fields)


@pytest.mark.parametrize(
    ("given", "legacy", "expected"),
    [
        ("7", "", (None, 7)),
        (" 7 ", None, (None, 7)),
        ("-7", "", (None, -7)),
        ("007", "", ("007", None)),
        ("+7", "", ("+7", None)),
        ("7.0", "", ("7.0", None)),
        ("99999999999999999999", "", ("99999999999999999999", None)),
        ("alice", "", ("alice", None)),
        ("alice", "7", ("alice", 7)),
        ("7", "7", (None, 7)),
        ("", "7", (None, 7)),
        ("", "", (None, None)),
    ],
)
def test_user_ids_in_csv(given: str, legacy: str | None, expected: Any) -> None:
    row = parsed(CSV, user_id=given, legacy_user_id=legacy)
    assert (row.user_id, row.legacy_user_id) == expected


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"user_id": 7}, (None, 7)),
        ({"user_id": "7"}, ("7", None)),
        ({"user_id": "alice", "legacy_user_id": 7}, ("alice", 7)),
        ({"user_id": None, "legacy_user_id": "7"}, (None, 7)),
        ({}, (None, None)),
    ],
)
def test_user_ids_in_json(fields: dict[str, Any], expected: Any) -> None:
    row = parsed(JSON, **fields)
    assert (row.user_id, row.legacy_user_id) == expected


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"user_id": 7, "legacy_user_id": 8}, "two different users"),
        ({"user_id": 7.5}, "no integer"),
        ({"user_id": True}, "no integer"),
        ({"user_id": 2**63}, "out of range"),
        ({"legacy_user_id": "seven"}, "no integer"),
        ({"user_id": "a\0b"}, "NUL"),
        ({"user_id": "\ud800"}, "no text"),
        ({"user_id": "x" * 201}, "longer than 200"),
        ({"task_type": ["x"]}, "neither text nor a number"),
        ({"status": "skipped"}, "a skipped run has no outcome"),
        ({"status": "running"}, "a running run has no outcome"),
        ({"status": "done"}, "neither success nor failed"),
        ({"status": None}, "neither success nor failed"),
        ({"status": ["success"]}, "neither success nor failed"),
        ({"execution_date": None}, "missing"),
        ({"execution_date": "2024-03-01T10:00:00"}, "no offset"),
        ({"execution_date": "2024-03-01"}, "no offset"),
        ({"execution_date": "yesterday"}, "no ISO 8601"),
        ({"execution_date": 1709287200}, "no ISO 8601"),
        ({"execution_date": "1999-12-31T23:59:59Z"}, "before 2000"),
        ({"execution_date": "0001-01-01T00:00:00+14:00"}, "no ISO 8601"),
        ({"execution_date": "2026-06-01T02:00:00Z"}, "in the future"),
        ({"created_at": "later"}, "created_at"),
        ({"execution_time_ms": -1}, "out of range"),
        ({"execution_time_ms": 2**31}, "out of range"),
        ({"execution_time_ms": "fast"}, "no number"),
        ({"execution_time_ms": "nan"}, "no number"),
        ({"execution_time_ms": True}, "no number"),
    ],
)
def test_what_cannot_be_taken_is_told_why(fields: dict[str, Any], reason: str) -> None:
    with pytest.raises(Unusable, match=reason):
        parsed(JSON, **fields)


def test_a_row_in_full() -> None:
    row = parsed(
        CSV,
        id="4711",
        task_type="gsc_insights",
        task_title="Search",
        status="failed",
        execution_date="2024-03-01T12:00:00.5+02:00",
        execution_time_ms="1500.4",
        error_message="first\nsecond",
        result_data='{"n": [1, "x"]}',
        created_at="2024-03-01T10:00:09Z",
        unknown="ignored",
    )
    assert row.source_id == "4711"
    assert (row.task_type, row.job_name, row.status) == ("gsc_insights", "Search", "failed")
    assert row.started_at == datetime(2024, 3, 1, 10, 0, 0, 500_000, tzinfo=UTC)
    assert row.finished_at == datetime(2024, 3, 1, 10, 0, 2, tzinfo=UTC)
    assert row.execution_time_ms == 1500
    assert row.error_text == "first\nsecond"
    assert json.loads(row.result) == {"n": [1, "x"]}
    assert row.created_at == datetime(2024, 3, 1, 10, 0, 9, tzinfo=UTC)


def test_what_is_missing_is_filled_in() -> None:
    row = parsed(CSV, execution_time_ms="", error_message="", result_data="", created_at="")
    assert (row.source_id, row.task_type, row.job_name) == (None, "imported", "imported")
    assert (row.execution_time_ms, row.error_text, row.result) == (None, None, None)
    assert row.created_at == row.finished_at == row.started_at


def test_a_time_without_an_offset_is_of_the_zone_that_is_named() -> None:
    berlin = LogParser(now=NOW, textual=True, timezone=ZoneInfo("Europe/Berlin"))
    assert parsed(berlin, execution_date="2024-07-01 12:00:00").started_at.hour == 10
    assert parsed(berlin, execution_date="2024-01-01 12:00:00").started_at.hour == 11
    assert parsed(berlin, execution_date="2024-07-01T12:00:00Z").started_at.hour == 12


@pytest.mark.parametrize(
    ("parser", "value", "stored"),
    [
        (CSV, "{'not': json}", "{'not': json}"),
        (CSV, "NaN", {"not_json": "nan"}),
        (CSV, "[" * 100_000, "[" * 100_000),
        (JSON, "text", "text"),
        (JSON, {"a\0": "b\0\ud800"}, {"a\N{REPLACEMENT CHARACTER}": "b\N{REPLACEMENT CHARACTER}?"}),
        (JSON, 0, 0),
        (JSON, False, False),
    ],
)
def test_results_are_stored_as_postgres_takes_them(parser: LogParser, value: Any, stored: Any) -> None:
    result = json.loads(parsed(parser, result_data=value).result)
    if isinstance(stored, str) and len(stored) > 1000:
        assert list(result) == ["truncated"]
    else:
        assert result == stored


def test_what_postgres_cannot_store_in_a_text_is_replaced() -> None:
    assert parsed(JSON, error_message="a\0b\ud800").error_text == "a\N{REPLACEMENT CHARACTER}b?"
    assert parsed(JSON, error_message={"code": 5}).error_text == '{"code": 5}'


HEADER = b"a,b\r\n"


def read_csv(body: bytes, offset: int = 0, line: int = 2) -> list[Record]:
    file = io.BytesIO(HEADER + body)
    names, start = csv_header(file)
    return list(csv_records(file, names, offset=offset or start, line=line))


def test_csv_records_may_span_lines_and_know_where_they_end() -> None:
    records = read_csv(b'1,"x\ny ""q"""\r\n\r\n2,z')
    assert [record.fields for record in records] == [{"a": "1", "b": 'x\ny "q"'}, {"a": "2", "b": "z"}]
    assert [(record.line, record.lines) for record in records] == [(2, 2), (5, 1)]
    again = read_csv(b'1,"x\ny ""q"""\r\n\r\n2,z', offset=records[0].end, line=4)
    assert again == records[1:]


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (b'1,"never closed\n', "no CSV"),
        (b"1,2,3\n", "3 fields, the header 2"),
        (b"1\n", "1 fields, the header 2"),
        (b"1,\xff\n", "not UTF-8"),
        (b"1," + b"x" * MAX_RECORD + b"\n", "longer than"),
    ],
)
def test_a_bad_csv_line_costs_that_line_alone(bad: bytes, reason: str) -> None:
    good = b'8,"fine"\n9,fine\n'
    records = read_csv(good + bad + good)
    assert [record.line for record in records if record.problem] == [4]
    assert reason in records[2].problem
    assert [record.fields["a"] for record in records if record.fields] == ["8", "9", "8", "9"]


def test_a_quote_in_the_middle_of_a_field_is_a_quote() -> None:
    assert [record.fields for record in read_csv(b'1,5" pipe\n2,6" pipe\n')] == [
        {"a": "1", "b": '5" pipe'},
        {"a": "2", "b": '6" pipe'},
    ]


@pytest.mark.parametrize("header", [b"a,a\n", b'"a\n', b"\xff\n"])
def test_a_header_that_names_no_columns(header: bytes) -> None:
    with pytest.raises(UnusableFile):
        csv_header(io.BytesIO(header))


def test_json_lines_and_what_is_none() -> None:
    body = b'\xef\xbb\xbf{"a": 1}\n\n[1]\n{"a"\n\xff\n' + b"[" * 5000 + b'\n{"a": 2}'
    records = list(json_records(io.BytesIO(body), offset=0, line=1))
    assert [(record.line, record.fields, record.problem) for record in records] == [
        (1, {"a": 1}, ""),
        (3, None, "is no JSON object"),
        (4, None, "is no JSON"),
        (5, None, "is not UTF-8"),
        (6, None, "is no JSON"),
        (7, {"a": 2}, ""),
    ]
    assert list(json_records(io.BytesIO(body), offset=records[4].end, line=7)) == records[5:]


def test_every_batch_ends_where_the_next_can_begin(tmp_path: Path) -> None:
    path = tmp_path / "export.csv"
    lines = [f'2024-03-01T00:00:0{n % 10}Z,{"oops" if n % 3 else "success"},"a\nb"\n' for n in range(50)]
    path.write_text("execution_date,status,error_message\n" + "".join(lines))
    with path.open("rb") as file:
        source = Source(file, "csv")
        whole = list(source.batches(CSV, offset=0, line=0, limit=7))
        for cut in range(1, len(whole)):
            at = whole[cut - 1]
            rest = list(source.batches(CSV, offset=at.end, line=at.next_line, limit=7))
            assert rest == whole[cut:]
    assert sum(len(batch.rows) for batch in whole) == 17
    assert [line for batch in whole for line, _ in batch.rejected][:3] == [4, 6, 10]


def test_a_file_that_changes_meanwhile_is_given_up(tmp_path: Path) -> None:
    path = tmp_path / "export.jsonl"
    path.write_text((json.dumps(GOOD) + "\n") * 10)
    with path.open("rb") as file:
        batches = Source(file, "jsonl").batches(JSON, offset=0, line=0, limit=3)
        next(batches)
        path.write_text(path.read_text() + "{}\n")
        with pytest.raises(UnusableFile, match="changed"):
            next(batches)


def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    def peak(lines: int) -> int:
        path = tmp_path / f"{lines}.jsonl"
        path.write_text((json.dumps(GOOD | {"error_message": "x" * 100}) + "\n") * lines)
        with path.open("rb") as file:
            source = Source(file, "jsonl")
            tracemalloc.start()
            for _ in source.batches(JSON, offset=0, line=0, limit=500):
                pass
            _, most = tracemalloc.get_traced_memory()
            tracemalloc.stop()
        return most

    assert peak(20_000) < 1.5 * peak(2_000)
