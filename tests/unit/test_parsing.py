"""Bodies that are too long, too deep, or not JSON to every reader."""

from __future__ import annotations

import io
import json
import time
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rest_framework.exceptions import ParseError

from apps.tenants.api.parsing import MAX_DEPTH, BodyTooLarge, BoundedJSONParser, parsed

pytestmark = pytest.mark.same_on_every_postgres

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


def nested(depth: int, opening: str = "[", closing: str = "]") -> bytes:
    return (opening * depth + closing * depth).encode()


@given(JSON)
def test_what_is_json_is_read_as_python_reads_it(value: Any) -> None:
    for text in (json.dumps(value), json.dumps(value, ensure_ascii=False, indent=1)):
        body = text.encode("utf-8", "surrogatepass")
        try:
            body.decode()
        except UnicodeDecodeError:
            continue
        assert parsed(body) == value


def test_depth_is_bounded_exactly() -> None:
    assert parsed(nested(MAX_DEPTH))
    for body in (nested(MAX_DEPTH + 1), nested(MAX_DEPTH // 2 + 1, '[{"a":', "}]"), b"[" * 1_000_000):
        with pytest.raises(ParseError, match="32 levels"):
            parsed(body)


def test_brackets_in_strings_are_not_depth() -> None:
    inside = "[{" * 500
    for text in (inside, inside + '"', "\\" + inside, '\\"' + inside, inside + "\\\\", "\n" + inside):
        assert parsed(json.dumps({"a": text, inside: [1]}).encode()) == {"a": text, inside: [1]}


def test_many_siblings_are_not_depth() -> None:
    assert parsed(b"[" + b",".join([b"[]"] * 1000) + b"]") == [[]] * 1000


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (b'{"a":1,"a":2}', "'a' twice"),
        (b'[{"x":{"role":"viewer","role":"owner"}}]', "'role' twice"),
        (b'{"a":1,"\\u0061":2}', "'a' twice"),
        (b"[NaN]", "NaN"),
        (b"[Infinity]", "Infinity"),
        (b"[-Infinity]", "-Infinity"),
        (b"[1e999]", "too large"),
        (b"[-1e999]", "too large"),
        (b"[" + b"9" * 401 + b"]", "400 digits"),
        (b"[" + b"9" * 500_000 + b"]", "400 digits"),
        (b'"\xff"', "not UTF-8"),
        (b"\xff\xfe[\x00]\x00", "not UTF-8"),
        (b"", "not JSON"),
        (b"{", "not JSON"),
        (b"{'a':1}", "not JSON"),
        (b'{"a":1,}', "not JSON"),
        (b"[1] [2]", "not JSON"),
        (b'"open', "not JSON"),
        (b'"open\\', "not JSON"),
        (b"\xef\xbb\xbf[]", "not JSON"),
    ],
    ids=lambda value: ascii(value)[:30],
)
def test_what_two_readers_could_read_differently_is_refused(body: bytes, sentence: str) -> None:
    with pytest.raises(ParseError) as refused:
        parsed(body)
    assert sentence in str(refused.value.detail)


@pytest.mark.parametrize(
    "body",
    [
        b'"' * 1_000_000,
        b'"\\' * 500_000,
        b'\\"' * 500_000,
        b'"a' * 500_000,
        b"[]" * 500_000,
        b"{}," * 300_000,
        b'"' + b"\\" * 999_999,
        b'{"a":' * 200_000,
        b'{"a":1,' * 140_000,
        b"[" + b"1," * 499_000 + b"1]",
        b"{" + b",".join(b'"%d":0' % n for n in range(100_000)) + b"}",
    ],
    ids=lambda body: ascii(body[:8]),
)
def test_no_body_within_the_limit_takes_long(body: bytes) -> None:
    began = time.process_time()
    with suppress(ParseError):
        parsed(body)
    assert time.process_time() - began < 3


def test_a_body_past_the_limit_is_not_read_further(settings: Any) -> None:
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 10
    assert BoundedJSONParser().parse(io.BytesIO(b"[1,2,3,45]")) == [1, 2, 3, 45]
    stream = io.BytesIO(b"[1,2,3,456]" + b" " * 100)
    with pytest.raises(BodyTooLarge, match="10 bytes"):
        BoundedJSONParser().parse(stream)
    assert stream.tell() == 11
