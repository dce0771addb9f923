"""Pages of a list: by offset, as clients in the field ask, and by cursor at any depth.

A cursor is the sort key of the last row seen, so a page costs the same however deep it lies, and rows that arrive
meanwhile move nothing. It is signed for its list and ordering: nobody can make one up, and no other list accepts it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from django.core.signing import BadSignature, Signer
from django.db.models import BooleanField, F, Func, Model, QuerySet, Value
from rest_framework.request import Request

from apps.tenants.api.errors import InvalidFields

DEFAULT_LIMIT = 50
MAX_LIMIT = 500
MAX_OFFSET = 2**31
NEWEST_FIRST = ("-scheduled_for", "-id")
_MAX_CURSOR = 4000  # characters; the longest key is a name of 200 characters and a number

Key = tuple[Any, ...]


class Listed(Protocol):
    """What can be paged: rows in one order, of which any page can be read without the ones before it."""

    @property
    def model(self) -> type[Model]: ...

    @property
    def order(self) -> Sequence[str]:
        """Non-null columns whose combination is unique, all of one direction."""
        ...

    def count(self) -> int: ...

    def read(self, *, after: Key | None = None, offset: int = 0, size: int) -> Sequence[Any]:
        """Up to `size` rows beyond `after`, which holds a value for each column of `order`."""
        ...


@dataclass(frozen=True, slots=True)
class Queried:
    """A queryset as a list. `total` knows how many rows it has, where counting them would be dear."""

    queryset: QuerySet[Any]
    order: Sequence[str] = NEWEST_FIRST
    total: Callable[[], int] | None = None

    @property
    def model(self) -> type[Model]:
        return self.queryset.model

    def count(self) -> int:
        return self.queryset.count() if self.total is None else self.total()

    def read(self, *, after: Key | None = None, offset: int = 0, size: int) -> Sequence[Any]:
        rows = self.queryset.order_by(*self.order)
        return list((rows if after is None else beyond(rows, self.order, after))[offset : offset + size])


def beyond(rows: QuerySet[Any], order: Sequence[str], key: Key) -> QuerySet[Any]:
    """The rows that sort after `key`.

    As one comparison of whole keys, which is where an index can start; an OR of columns is not. The bound on the first
    column says nothing new, but it is what the planner skips partitions by.
    """
    columns = [column.lstrip("-") for column in order]
    descending = order[0].startswith("-")
    here = Func(*(F(column) for column in columns), function="ROW", output_field=BooleanField())
    there = Func(*(Value(value) for value in key), function="ROW", output_field=BooleanField())
    joiner = " < " if descending else " > "
    compared = Func(here, there, template="%(expressions)s", arg_joiner=joiner, output_field=BooleanField())
    bound = {f"{columns[0]}__{'lte' if descending else 'gte'}": key[0]}
    return rows.filter(compared, **bound)


def integer_param(request: Request, name: str, default: int, low: int, high: int) -> int:
    """A whole number of the query string within `low` and `high`. Raises `InvalidFields` (400)."""
    text = request.query_params.get(name)
    if text is None:
        return default
    if not text.removeprefix("-").isdecimal() or len(text) > 12 or not low <= int(text) <= high:
        raise InvalidFields({name: f"Use a whole number from {low} to {high}."})
    return int(text)


def envelope(
    rows: QuerySet[Any] | Listed,
    request: Request,
    key: str,
    serialize: Callable[[list[Any]], list[Any]],
    order: Sequence[str] = NEWEST_FIRST,
    total: Callable[[], int] | None = None,
) -> dict[str, Any]:
    """One page under `key`, with `total_count`, `limit`, `offset`, `has_more` and `next_cursor`.

    `order` and `total` are for a queryset, as in `Queried`; `serialize` gets the page's rows. Raises `InvalidFields`
    (400) for a limit, offset or cursor that is out of range.
    """
    listed = Queried(rows, order, total) if isinstance(rows, QuerySet) else rows
    limit = integer_param(request, "limit", DEFAULT_LIMIT, 1, MAX_LIMIT)
    offset = integer_param(request, "offset", 0, 0, MAX_OFFSET)
    cursors = _Cursors(key, listed)
    cursor = request.query_params.get("cursor")
    after = None if cursor is None else cursors.opened(cursor)
    offset = 0 if after else offset
    count = listed.count()
    page = list(listed.read(after=after, offset=offset, size=limit + 1)) if offset < count else []
    has_more = len(page) > limit
    page = page[:limit]
    return {
        key: serialize(page),
        "total_count": count,
        "limit": limit,
        "offset": offset,
        "has_more": has_more,
        "next_cursor": cursors.after(page[-1]) if has_more else None,
    }


class _Cursors:
    """The cursors of one list: signed keys. A time is a list of one text, which no other value is."""

    def __init__(self, key: str, listed: Listed) -> None:
        self._columns = [column.lstrip("-") for column in listed.order]
        salt = f"cursor of {key}: {listed.model._meta.label} by {','.join(listed.order)}"
        self._signer = Signer(sep="~", salt=salt)

    def after(self, row: Any) -> str:
        values = [getattr(row, column) for column in self._columns]
        return self._signer.sign_object(
            [[value.isoformat()] if isinstance(value, datetime) else value for value in values]
        )

    def opened(self, cursor: str) -> Key:
        try:
            if len(cursor) > _MAX_CURSOR:
                raise BadSignature
            values = self._signer.unsign_object(cursor)
        except (BadSignature, ValueError):
            raise InvalidFields({"cursor": "This is not a cursor of this list."}) from None
        return tuple(
            datetime.fromisoformat(value[0]) if isinstance(value, list) else value for value in values
        )
