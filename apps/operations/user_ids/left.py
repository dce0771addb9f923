"""What is still to be filled: asked for some hundred users at a time, and in the ledger served by indexes of users."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field

from django.db.models import Count

from apps.operations.user_ids.tables import TABLES, Table
from apps.tenants.identity import as_integer
from apps.tenants.models import Tenant, UserIdentity

USERS_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Left:
    """Rows of one mapped user in one table: without the string, and without the integer."""

    table: Table
    identity: UserIdentity
    strings: int
    integers: int

    @property
    def rows(self) -> int:
        return self.strings + self.integers


@dataclass(slots=True)
class UserLeft:
    """The same of one user in all tables."""

    identity: UserIdentity
    parts: list[Left] = field(default_factory=list)

    @property
    def rows(self) -> int:
        return sum(part.rows for part in self.parts)


def strings_of(identity: UserIdentity) -> list[str]:
    """The strings that mean this user. One that reads as another integer means the user of that integer."""
    own = str(identity.legacy_user_id)
    return [own] if as_integer(identity.user_id) is not None else [identity.user_id, own]


def users_left(tenant: Tenant, legacy_user_ids: Collection[int] | None = None) -> Iterator[UserLeft]:
    """Mapped users with rows to fill, by their integers. Call it in the tenant's scope.

    By key, so that no cursor of the database stays open while a caller fills.
    """
    identities = UserIdentity.objects.filter(tenant=tenant).order_by("legacy_user_id")
    if legacy_user_ids is not None:
        identities = identities.filter(legacy_user_id__in=legacy_user_ids)
    chunk = list(identities[:USERS_AT_ONCE])
    while chunk:
        yield from _of_chunk(tenant, chunk)
        chunk = list(identities.filter(legacy_user_id__gt=chunk[-1].legacy_user_id)[:USERS_AT_ONCE])


def _of_chunk(tenant: Tenant, identities: Sequence[UserIdentity]) -> Iterator[UserLeft]:
    users = {identity.legacy_user_id: UserLeft(identity) for identity in identities}
    means = {text: identity.legacy_user_id for identity in identities for text in strings_of(identity)}
    for table in TABLES:
        rows = table.rows(tenant.pk)
        strings = dict(
            rows.filter(user_id=None, legacy_user_id__in=list(users))
            .values_list("legacy_user_id")
            .annotate(n=Count("*"))
        )
        integers = dict.fromkeys(users, 0)
        texts = rows.filter(legacy_user_id=None, user_id__in=list(means))
        for text, count in texts.values_list("user_id").annotate(n=Count("*")):
            integers[means[text]] += count
        for number, user in users.items():
            part = Left(table, user.identity, strings.get(number, 0), integers[number])
            if part.rows:
                user.parts.append(part)
    yield from (user for user in users.values() if user.parts)


def unresolved(tenant: Tenant, table: Table) -> int:
    """Rows with an integer alone for which there is no mapping."""
    alone = table.rows(tenant.pk).filter(user_id=None, legacy_user_id__isnull=False)
    mapped = UserIdentity.objects.filter(tenant=tenant).values("legacy_user_id")
    return alone.exclude(legacy_user_id__in=mapped).count()
