"""Reading the ledger page by page: one function per statement, and the list that pages are cut from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import connection

from apps.executions.models import ExecutionLog
from apps.executions.selectors import executions_finished, finished_count
from apps.executions.sql import statement
from apps.executions.states import Outcome
from apps.tenants.identity import UserForms

# A plan holds every partition that its times do not rule out, and making it takes longer than reading a page. Most
# pages lie within the last days before the place they start from, so that is looked at first.
_NEAR = timedelta(days=2)
_EARLIEST, _LATEST = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
_ABOVE_ALL = (_LATEST, 2**63 - 1)


@dataclass(frozen=True, slots=True)
class Ledger:
    """A tenant's finished executions, newest first: all, of one user or status, from `since` until before `until`.

    Reads cost what they return, and the count without times costs the same at any size.
    """

    tenant_id: int
    user: UserForms | None = None
    status: str | None = None
    since: datetime | None = None
    until: datetime | None = None

    model = ExecutionLog
    order = ("-scheduled_for", "-id")

    def count(self) -> int:
        if self.since is None and self.until is None:
            return finished_count(tenant_id=self.tenant_id, user=self.user, status=self.status)
        rows = executions_finished(tenant_id=self.tenant_id, user=self.user, status=self.status)
        rows = rows.filter(scheduled_for__gte=self.since or _EARLIEST)
        return rows.filter(scheduled_for__lt=self.until or _LATEST).count()

    def read(
        self, *, after: tuple[Any, ...] | None = None, offset: int = 0, size: int
    ) -> Sequence[ExecutionLog]:
        """Up to `size` rows after the key (`scheduled_for`, `id`); an `offset` is a key that is looked for first."""
        if offset:
            after = self._key_at(offset)
            if after is None:
                return []
        start = min(self.until or _LATEST, after[0] if after else datetime.now(UTC))
        near = max(self.since or _EARLIEST, start - min(_NEAR, start - _EARLIEST))
        rows = self._read(near, after, size)
        if len(rows) < size and near > (self.since or _EARLIEST):
            rows = self._read(self.since or _EARLIEST, after, size)
        return rows

    def _read(self, since: datetime, after: tuple[Any, ...] | None, size: int) -> list[ExecutionLog]:
        return list(ExecutionLog.objects.raw(self._statement, self._params(since, after, size)))

    def _key_at(self, number: int) -> tuple[datetime, int] | None:
        """The key of the row with that number, the first being 1. None beyond the end.

        Postgres leaves out of a subquery what is not asked of it, so this reads the index alone.
        """
        seek = f"SELECT scheduled_for, id FROM ({self._statement}) AS page"  # noqa: S608 - ours
        with connection.cursor() as cursor:
            cursor.execute(
                f"{seek} ORDER BY scheduled_for DESC, id DESC LIMIT 1 OFFSET %(skipped)s",
                self._params(self.since or _EARLIEST, None, number) | {"skipped": number - 1},
            )
            found: tuple[datetime, int] | None = cursor.fetchone()
        return found

    @property
    def _statement(self) -> str:
        text: str = statement("read_ledger" if self.user is None else "read_ledger_of_user")
        return text

    def _params(self, since: datetime, after: tuple[Any, ...] | None, size: int) -> dict[str, Any]:
        after_time, after_id = after or _ABOVE_ALL
        return {
            "tenant_id": self.tenant_id,
            "statuses": Outcome.values if self.status is None else [self.status],
            "strings": self.user.strings if self.user else [],
            "integers": self.user.integers if self.user else [],
            "since": since,
            "until": self.until or _LATEST,
            "after_time": after_time,
            "after_id": after_id,
            "size": size,
        }
