"""Makes results out of whatever a target returned or raised. Used on both sides of a process boundary.

`error` goes to the ledger, which on-call reads: it never quotes an exception, whose text may hold a tenant's content.
That goes to `detail`, as `result` does, which only the tenant reads.
"""

from __future__ import annotations

import json
import re
import traceback
from typing import Any

from django.core.serializers.json import DjangoJSONEncoder
from rest_framework.exceptions import ValidationError

from apps.executions.targets.context import JsonText, TargetFailed, TargetResult
from apps.executions.targets.http import HttpError
from apps.executions.targets.registry import UnknownTask

MAX_RESULT = 96 * 1024  # characters of JSON: the kept 64 KiB of an answer, with room for escapes
MAX_DETAIL = 16 * 1024
MAX_ERROR = 500
MAX_DEPTH = 100  # of what is stored; whoever reads it back does so from the depth of their own stack
_JSON = DjangoJSONEncoder(allow_nan=False, check_circular=False)  # a circle ends as too deep a nesting
_UNCLEAN = re.compile(r"\\u(?:0000|d[89a-f])")  # NULs and surrogates, lone or not
NO_NUL = "\N{REPLACEMENT CHARACTER}"  # Postgres stores no NUL, neither in text nor in jsonb


def from_value(value: Any) -> TargetResult:
    """What a target returned: a TargetResult as it is, made storable, anything else as the result of success."""
    if not isinstance(value, TargetResult):
        return TargetResult("ok", storable(value))
    return TargetResult(
        value.status,
        storable(value.result),
        _text(value.error, MAX_ERROR),
        _text(value.detail, MAX_DETAIL),
        value.retry_after,
        value.permanent,
        gone=value.gone,
    )


def from_error(error: BaseException) -> TargetResult:
    """What a target raised, or what kept it from being called."""
    detail = ""
    permanent = isinstance(error, UnknownTask | ValidationError)
    delay, result = None, None
    if isinstance(error, TargetFailed):
        sentence, permanent, delay, result = error.message, error.permanent, error.retry_after, error.result
    elif isinstance(error, HttpError):
        sentence, detail, permanent = str(error), error.detail, error.permanent
    elif isinstance(error, UnknownTask):
        sentence = str(error)
    elif isinstance(error, ValidationError):
        sentence, detail = "the task does not accept these parameters", json.dumps(error.detail)
    else:
        sentence = f"the task raised {type(error).__name__}"
        detail = "".join(traceback.format_exception(error))
    return TargetResult(
        "failed", storable(result), _text(sentence, MAX_ERROR), _text(detail, MAX_DETAIL), delay, permanent
    )


def storable(value: Any) -> JsonText | None:
    """The value as jsonb takes it. What JSON cannot say, or too much of it, becomes an object that says so."""
    if value is None or isinstance(value, JsonText):
        return value
    try:
        text = _JSON.encode(value)
        if len(text) > MAX_RESULT:
            text = json.dumps({"truncated": _text(text, MAX_RESULT // 2)})
        elif _UNCLEAN.search(text) or text.count("[") + text.count("{") > MAX_DEPTH:
            # Escaped in the JSON, so that keys and nested strings are covered; lone surrogates are refused like NULs.
            text = json.dumps(_clean(json.loads(text), MAX_DEPTH))
        return JsonText(text)
    except (TypeError, ValueError, RecursionError, OverflowError):
        return JsonText(json.dumps({"not_json": _text(_shown(value), 1000)}))


def _clean(value: Any, depth: int) -> Any:
    if isinstance(value, str):
        return _text(value, MAX_RESULT)
    if not isinstance(value, list | dict):
        return value
    if not depth:
        raise ValueError(f"it is nested more than {MAX_DEPTH} levels deep")
    if isinstance(value, list):
        return [_clean(item, depth - 1) for item in value]
    return {_text(key, MAX_RESULT): _clean(item, depth - 1) for key, item in value.items()}


def _shown(value: Any) -> str:
    try:
        return repr(value)
    except RecursionError:
        return "nested too deeply to be shown"


def _text(text: str, limit: int) -> str:
    """At most `limit` characters; of a longer text its end, where a traceback says what happened."""
    if len(text) > limit:
        text = "… " + text[2 - limit :]
    return text.replace("\0", NO_NUL).encode("utf-8", "replace").decode()
