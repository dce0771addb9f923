"""Values of keys that must not be kept are not in what is stored, wherever they stand; all else is as it was."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apps.executions.redaction import ALWAYS, REDACTED, redaction
from apps.executions.targets.context import JsonText, TargetResult
from apps.executions.targets.outcome import MAX_RESULT, from_value, storable

pytestmark = pytest.mark.same_on_every_postgres

MINE = redaction(("password", "card_number"))


def kept(value: Any) -> Any:
    cleaned = MINE.of(TargetResult("ok", storable(value))).result
    assert isinstance(cleaned, JsonText)
    return json.loads(cleaned)


@pytest.mark.parametrize(
    "key", ["password", "Password", "PASSWORD", "card-number", "Card_Number", *sorted(ALWAYS)]
)
def test_a_key_in_any_case_and_however_deep(key: str) -> None:
    said = {"a": [{"b": {key: "hunter2", "left": 1}}, "text"], key: {"all": ["of", "it"]}}
    assert kept(said) == {"a": [{"b": {key: REDACTED, "left": 1}}, "text"], key: REDACTED}


def test_a_key_that_is_spelt_by_numbers() -> None:
    body = r'{"p\u0061ssword": "hunter2"}'
    assert json.loads(kept({"body": body})["body"]) == {"password": REDACTED}
    result = redaction(("schlüssel",)).of(TargetResult("ok", storable({"Schlüssel": "hunter2"}))).result
    assert json.loads(result) == {"Schlüssel": REDACTED}


def test_only_whole_keys() -> None:
    said = {"passwords_changed": 3, "the password": "?", "cookies": "chocolate"}
    assert kept(said) == said


def test_in_a_body_that_is_json_and_in_one_that_was_cut() -> None:
    body = json.dumps({"user": "bob", "Password": "hunter2", "list": [{"card-number": 4111}]})
    told = kept({"body": body})["body"]
    assert json.loads(told) == {"user": "bob", "Password": REDACTED, "list": [{"card-number": REDACTED}]}
    cut = kept({"body": body[: body.index("nter2") + 3]})["body"]
    assert "hunt" not in cut
    assert '"user": "bob"' in cut


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("Authorization: Bearer abc.def\nHost: x", f"Authorization: {REDACTED}\nHost: x"),
        ("{'password': 'hunter2', 'a': 1}", f"{{'password': '{REDACTED}', 'a': 1}}"),
        ("https://x/?a=1&password=hunter2&b=2", f"https://x/?a=1&password={REDACTED}&b=2"),
        ('raise Oops("password = hunter2")', f'raise Oops("password = {REDACTED}'),
        ("the password was wrong", "the password was wrong"),
        ("set-cookie=a", f"set-cookie={REDACTED}"),
    ],
)
def test_in_other_text(text: str, left: str) -> None:
    result = MINE.of(TargetResult("failed", error=text, detail=text))
    assert (result.error, result.detail) == (left, left)


def test_what_has_no_such_key_is_the_very_same() -> None:
    for said in ({"a": "b"}, {"status": 200, "body": "{}"}, None, "text", 1.50):
        result = from_value(said)
        assert MINE.of(result) is result


def test_a_text_of_brackets_is_no_json_and_does_no_harm() -> None:
    result = TargetResult("ok", storable({"body": "[" * 50_000 + "password"}))
    assert MINE.of(result).result == result.result


def test_it_is_quick_on_the_largest_results() -> None:
    for text in (
        'password: "' + "\\" * 90_000,
        "password = " * 8_000,
        '"password":' * 8_000,
        "password " * 9_000,
    ):
        started = time.perf_counter()
        MINE.of(TargetResult("ok", storable({"body": text[: MAX_RESULT // 2]}), detail=text))
        assert time.perf_counter() - started < 1.0


VALUES = st.recursive(
    st.none() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["a", "b", "PassWord", "cookie"]), inner),
    max_leaves=20,
)


@settings(max_examples=30)
@given(VALUES)
def test_nothing_under_such_a_key_is_left_and_the_shape_stays(value: Any) -> None:
    def expected(value: Any) -> Any:
        if isinstance(value, dict):
            return {
                key: REDACTED if key in ("PassWord", "cookie") else expected(each)
                for key, each in value.items()
            }
        return [expected(each) for each in value] if isinstance(value, list) else value

    if value is not None:
        stored = json.loads(storable(value) or "null")
        assert kept(value) == expected(stored)
