"""Pages of a list: by offset, as clients in the field ask, and by cursor at any depth.

A cursor is the sort key of the last row seen, so a page costs the same however deep it lies, and rows that arrive
meanwhile move nothing.
"""

import base64
import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

from django.core.exceptions import ValidationError
from django.db.models import Q, QuerySet
from rest_framework.request import Request

from apps.tenants.api.errors import InvalidFields

DEFAULT_LIMIT = 50
MAX_LIMIT = 500
MAX_OFFSET = 2**31


def integer_param(request: Request, name: str, default: int, low: int, high: int) -> int:
    """A whole number of the query string within `low` and `high`. Raises `InvalidFields` (400)."""
    text = request.query_params.get(name)
    if text is None:
        return default
    if not text.removeprefix("-").isdecimal() or len(text) > 12 or not low <= int(text) <= high:
        raise InvalidFields({name: f"Use a whole number from {low} to {high}."})
    return int(text)


def envelope(
    queryset: QuerySet[Any],
    request: Request,
    key: str,
    serialize: Callable[[list[Any]], list[Any]],
    order: Sequence[str] = ("-scheduled_for", "-id"),
) -> dict[str, Any]:
    """One page of `queryset` under `key`, with `total_count`, `limit`, `offset`, `has_more` and `next_cursor`.

    `order` names non-null columns whose combination is unique, all of one direction; `serialize` gets the page's rows.
    Raises `InvalidFields` (400) for a limit, offset or cursor that is out of range.
    """
    limit = integer_param(request, "limit", DEFAULT_LIMIT, 1, MAX_LIMIT)
    offset = integer_param(request, "offset", 0, 0, MAX_OFFSET)
    total = queryset.count()
    rows = queryset.order_by(*order)
    cursor = request.query_params.get("cursor")
    if cursor is not None:
        values = _decode(cursor, len(order))
        try:
            rows = rows.filter(_beyond(order, values))
        except (ValueError, TypeError, ValidationError):
            raise _not_a_cursor() from None
        offset = 0
    page = list(rows[offset : offset + limit + 1])
    has_more = len(page) > limit
    page = page[:limit]
    return {
        key: serialize(page),
        "total_count": total,
        "limit": limit,
        "offset": offset,
        "has_more": has_more,
        "next_cursor": _encode(page[-1], order) if has_more else None,
    }


def _encode(row: Any, order: Sequence[str]) -> str:
    values = [getattr(row, column.lstrip("-")) for column in order]
    texts = [value.isoformat() if isinstance(value, datetime) else value for value in values]
    return base64.urlsafe_b64encode(json.dumps(texts).encode()).decode().rstrip("=")


def _decode(cursor: str, length: int) -> list[Any]:
    try:
        values = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        if not isinstance(values, list) or len(values) != length:
            raise ValueError
        return [_value(value) for value in values]
    except (ValueError, TypeError, RecursionError):
        raise _not_a_cursor() from None


def _not_a_cursor() -> InvalidFields:
    return InvalidFields({"cursor": "This is not a cursor of this list."})


def _value(value: Any) -> Any:
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**63:
        return value
    if isinstance(value, str) and "\0" not in value:
        value.encode()  # half a surrogate pair is a ValueError, here and not in the driver
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            return value
        try:
            return moment.astimezone(UTC) if moment.tzinfo else value
        except OverflowError:
            raise ValueError from None
    raise ValueError


def _beyond(order: Sequence[str], values: list[Any]) -> Q:
    """Rows that sort after `values`: the first column beyond, or equal and the next one beyond, and so on."""
    condition = Q()
    for depth in range(len(order)):
        term = Q()
        for column, value in zip(order[:depth], values[:depth], strict=True):
            term &= Q(**{column.lstrip("-"): value})
        comparison = "lt" if order[depth].startswith("-") else "gt"
        term &= Q(**{f"{order[depth].lstrip('-')}__{comparison}": values[depth]})
        condition |= term
    return condition
