"""Rows of users, a batch in a transaction. Rows that somebody else holds are passed over; the next pass finds them."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from django.db import IntegrityError, OperationalError, connection, transaction
from django.db.models import BigIntegerField, Case, CharField, Q, QuerySet, Value, When
from psycopg.errors import LockNotAvailable

from apps.operations.user_ids.left import strings_of
from apps.operations.user_ids.tables import Table
from apps.tenants.models import UserIdentity

LOCK_TIMEOUT = "1s"
ATTEMPTS = 60


class Filled(NamedTuple):
    """Rows that got the string, rows that got the integer, and rows that a unique key of their table refused."""

    strings: int = 0
    integers: int = 0
    conflicts: int = 0


def fill(
    table: Table, identities: Sequence[UserIdentity], *, batch: int, attempts: int = ATTEMPTS
) -> Iterator[Filled]:
    """Fill all rows of these users of one tenant, yielding after each batch. In the tenant's scope, outside any
    transaction unless the caller wants all of them in one. Many users of few rows are cheaper together; one of many
    rows is better alone, for then an index serves the walk.

    Raises OperationalError when the table stays locked for `attempts` tries.
    """
    rows = table.rows(identities[0].tenant_id)
    strings = Case(
        *(When(legacy_user_id=one.legacy_user_id, then=Value(one.user_id)) for one in identities),
        output_field=CharField(),
    )
    integers = Case(
        *(When(user_id__in=strings_of(one), then=Value(one.legacy_user_id)) for one in identities),
        output_field=BigIntegerField(),
    )
    without_string = rows.filter(user_id=None, legacy_user_id__in=[one.legacy_user_id for one in identities])
    texts = [text for one in identities for text in strings_of(one)]
    without_integer = rows.filter(legacy_user_id=None, user_id__in=texts)
    for count, conflicts in _walk(table, without_string, {"user_id": strings}, batch, attempts):
        yield Filled(strings=count, conflicts=conflicts)
    for count, conflicts in _walk(table, without_integer, {"legacy_user_id": integers}, batch, attempts):
        yield Filled(integers=count, conflicts=conflicts)


def _walk(
    table: Table, rows: QuerySet[Any], values: dict[str, Any], batch: int, attempts: int
) -> Iterator[tuple[int, int]]:
    """By key and not from the start each time: what was filled lies dead in the index until vacuum comes by."""
    for condition in table.slices:
        part, after = rows.filter(condition), None
        while True:
            keys, conflicts = _patiently(table, part, after, values, batch, attempts)
            if keys:
                yield len(keys) - conflicts, conflicts
            if len(keys) < batch:
                break
            after = keys[-1]


def _patiently(
    table: Table,
    rows: QuerySet[Any],
    after: tuple[Any, ...] | None,
    values: dict[str, Any],
    batch: int,
    attempts: int,
) -> tuple[list[tuple[Any, ...]], int]:
    for attempt in range(1, attempts + 1):
        try:
            with transaction.atomic():
                return _batch(table, rows, after, values, batch)
        except OperationalError as error:
            if not isinstance(error.__cause__, LockNotAvailable) or attempt == attempts:
                raise
            time.sleep(1)  # somebody changes the table, or waits to
    raise AssertionError("unreachable")


def _batch(
    table: Table, rows: QuerySet[Any], after: tuple[Any, ...] | None, values: dict[str, Any], batch: int
) -> tuple[list[tuple[Any, ...]], int]:
    with connection.cursor() as cursor:
        cursor.execute(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'")
    following = rows if after is None else rows.filter(_behind(table.order, after))
    keys = list(
        following.order_by(*(f"-{column}" for column in table.order))
        .select_for_update(skip_locked=True, no_key=True)
        .values_list(*table.order)[:batch]
    )
    if not keys:
        return keys, 0
    # A range as well as the keys: it says which partitions are meant.
    found = rows.filter(**{f"{table.order[0]}__range": (keys[-1][0], keys[0][0])})
    try:
        with transaction.atomic():
            found.filter(id__in=[key[-1] for key in keys]).update(**values)
        return keys, 0
    except IntegrityError:
        return keys, sum(not _one(found.filter(id=key[-1]), values) for key in keys)


def _one(row: QuerySet[Any], values: dict[str, Any]) -> bool:
    try:
        with transaction.atomic():
            row.update(**values)
        return True
    except IntegrityError:
        return False


def _behind(order: tuple[str, ...], after: tuple[Any, ...]) -> Q:
    """(a, b) < (x, y), said so that an index on a can be entered at x."""
    first, *rest = order
    if not rest:
        return Q(**{f"{first}__lt": after[0]})
    behind = Q(**{f"{first}__lt": after[0]}) | (Q(**{first: after[0]}) & _behind(tuple(rest), after[1:]))
    return Q(**{f"{first}__lte": after[0]}) & behind
