"""User ids, old and new.

History holds rows with an integer only (`legacy_user_id`), rows with a string only (`user_id`) and rows with both.
`UserIdentity` maps one to the other; a numeric string and its integer are the same user even where nothing maps them.
Where a row has both forms the string is what counts.
"""

from typing import NamedTuple

from django.db.models import Q

from apps.tenants.models import UserIdentity

_BIGINT = range(-(2**63), 2**63)


def as_integer(user_id: str) -> int | None:
    """The integer that `user_id` is the text of, or None: "7" is 7, while "07" and "seven" are names."""
    try:
        number = int(user_id)
    except ValueError:
        return None
    return number if str(number) == user_id and number in _BIGINT else None


class UserForms(NamedTuple):
    """All that stands for one user in rows: `strings` where there is a string, else `integers`."""

    strings: list[str]
    integers: list[int]


def user_forms(tenant_id: int, user_id: str) -> UserForms:
    """The forms of that user of the tenant; the integers are those that a string is the text of."""
    number = as_integer(user_id)
    same = Q(user_id=user_id) if number is None else Q(user_id=user_id) | Q(legacy_user_id=number)
    strings = {user_id}
    for legacy, text in (
        UserIdentity.objects.filter(same, tenant_id=tenant_id)
        .values_list("legacy_user_id", "user_id")
        .order_by()
    ):
        strings |= {text, str(legacy)}
    integers = {integer for text in strings if (integer := as_integer(text)) is not None}
    return UserForms(sorted(strings), sorted(integers))


def user_rows(tenant_id: int, user_id: str) -> Q:
    """All rows of that user of the tenant and nobody else's, for a model with both columns."""
    return rows_of(user_forms(tenant_id, user_id))


def rows_of(forms: UserForms) -> Q:
    """As `user_rows`, of forms that are known already."""
    return Q(user_id__in=forms.strings) | Q(user_id=None, legacy_user_id__in=forms.integers)


def canonical(tenant_id: int, user_id: str | None, legacy_user_id: int | None) -> str | None:
    """What a payload shows: the mapped string, else the string of the row, else its integer as a string."""
    return canonical_ids(tenant_id, [(user_id, legacy_user_id)])[0]


def canonical_ids(tenant_id: int, rows: list[tuple[str | None, int | None]]) -> list[str | None]:
    """`canonical` for a page of rows, in one query."""
    numbers = {number for text, legacy in rows if (number := _number(text, legacy)) is not None}
    known: dict[int, str] = {}
    if numbers:
        known = dict(
            UserIdentity.objects.filter(tenant_id=tenant_id, legacy_user_id__in=numbers).values_list(
                "legacy_user_id", "user_id"
            )
        )
    shown: list[str | None] = []
    for text, legacy in rows:
        number = _number(text, legacy)
        shown.append(known.get(number, str(number)) if number is not None else text)
    return shown


def _number(text: str | None, legacy: int | None) -> int | None:
    return legacy if text is None else as_integer(text)


def both_forms(tenant_id: int, user_id: str | None) -> tuple[str | None, int | None]:
    """What a new row stores for `user_id`: the canonical string and, where it is known, the integer."""
    if user_id is None:
        return None, None
    number = as_integer(user_id)
    same = Q(user_id=user_id) if number is None else Q(user_id=user_id) | Q(legacy_user_id=number)
    mapped = UserIdentity.objects.filter(same, tenant_id=tenant_id).order_by("id").first()
    if mapped is not None:
        return mapped.user_id, mapped.legacy_user_id
    return user_id, number
