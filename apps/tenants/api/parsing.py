"""JSON bodies within bounds: how long, how deep, and nothing that two readers could understand differently.

The nesting is measured before anything is built, so that no depth costs a stack. Source of the strictness: RFC 8259,
sections 4 (names should be unique), 6 (no NaN or Infinity; huge numbers are not portable) and 8.1 (UTF-8).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from math import isfinite
from typing import IO, Any

from django.conf import settings
from rest_framework import status
from rest_framework.exceptions import APIException, ParseError
from rest_framework.parsers import BaseParser

MAX_DEPTH = 32  # arrays and objects around a value
MAX_DIGITS = 400  # of a number; a double has at most 309 before its point

# Possessive, and a string's end may be missing: linear in whatever is sent.
_TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*+"?|[\[{]|[\]}]', re.DOTALL)


class BodyTooLarge(APIException):
    status_code = status.HTTP_413_REQUEST_ENTITY_TOO_LARGE
    default_code = "body_too_large"

    def __init__(self) -> None:
        limit: int = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
        super().__init__(f"The body is larger than {limit:,} bytes.")


class BoundedJSONParser(BaseParser):
    """Raises BodyTooLarge (413), and ParseError (400) for what is not JSON in UTF-8 within the bounds."""

    media_type = "application/json"

    def parse(
        self,
        stream: IO[Any],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> Any:
        limit: int = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
        body = stream.read(limit + 1)
        if len(body) > limit:
            raise BodyTooLarge
        return parsed(body)


def parsed(body: bytes) -> Any:
    """The value of a JSON text. Raises ParseError."""
    if _depth_exceeds(body, MAX_DEPTH):
        raise ParseError(f"The body is nested more than {MAX_DEPTH} levels deep.")
    try:
        text = body.decode()
    except UnicodeDecodeError:
        raise ParseError("The body is not UTF-8.") from None
    try:
        return json.loads(
            text,
            object_pairs_hook=_unique,
            parse_int=_integer,
            parse_float=_number,
            parse_constant=_constant,
        )
    except json.JSONDecodeError as error:
        raise ParseError(f"The body is not JSON: {error}") from None


def _depth_exceeds(body: bytes, most: int) -> bool:
    depth = 0
    for token in _TOKEN.finditer(body):
        match body[token.start()]:
            case 0x5B | 0x7B:
                depth += 1
                if depth > most:
                    return True
            case 0x5D | 0x7D:
                depth -= 1
    return False


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for name, value in pairs:
        if name in made:
            raise ParseError(f"The body names {_shown(name)} twice in one object.")
        made[name] = value
    return made


def _integer(text: str) -> int:
    if len(text) > MAX_DIGITS:
        raise ParseError(f"The body has a number of more than {MAX_DIGITS} digits.")
    return int(text)


def _number(text: str) -> float:
    value = float(text)
    if not isfinite(value):
        raise ParseError("The body has a number that is too large.")
    return value


def _constant(name: str) -> Any:
    raise ParseError(f"The body has {name}, which is not JSON.")


def _shown(name: str) -> str:
    return repr(name[:60].encode("utf-8", "replace").decode())
