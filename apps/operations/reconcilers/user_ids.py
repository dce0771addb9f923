"""Rows with one of a user's two ids where the identity table knows the other."""

from __future__ import annotations

from collections.abc import Iterator

from apps.operations.reconcilers.base import CannotRepair, Drift, Repair, Result, Scope, tenants_in
from apps.operations.user_ids.filling import Filled, fill
from apps.operations.user_ids.left import UserLeft, users_left
from apps.tenants.context import tenant_scope
from apps.tenants.models import Tenant

HALF_FILLED = "half_filled"
MAX_ROWS = 20_000  # of a repair, for it is one transaction; `backfill_user_ids` takes any number
BATCH = 2000


class UserIdReconciler:
    """One drift a user, whose old id is the object's. Integers that nobody has mapped are no drift: reads show them."""

    kind = "user_ids"
    title = "User ids"
    about = "rows with one of a user's two ids where the other is known; it is filled in"

    def find(self, scope: Scope) -> Iterator[Drift]:
        for tenant in tenants_in(scope):
            with tenant_scope(tenant):
                users = list(users_left(tenant, scope.object_ids))
            yield from (self._drift(user) for user in users)

    def repair(self, drift: Drift) -> Repair:
        """Fills up to MAX_ROWS rows; what is left is found again. Rows that somebody else holds are passed over."""
        tenant = Tenant.objects.get(pk=drift.tenant_id)
        with tenant_scope(tenant):
            return self._repair(tenant, drift)

    def _repair(self, tenant: Tenant, drift: Drift) -> Repair:
        user = next(users_left(tenant, [drift.object_id]), None)
        if user is None:
            return Repair(Result.SKIPPED, drift)
        done = Filled()
        for filled in (
            one for part in user.parts for one in fill(part.table, [user.identity], batch=BATCH, attempts=1)
        ):
            done = Filled(*(a + b for a, b in zip(done, filled, strict=True)))
            if done.strings + done.integers >= MAX_ROWS:
                break
        if done.strings + done.integers:
            return Repair(Result.REPAIRED, self._drift(user, done))
        if done.conflicts:
            raise CannotRepair(
                f"{done.conflicts} rows of user {user.identity.legacy_user_id} have a twin that is "
                f"{user.identity.user_id!r}'s already, and only one of the two may stay."
            )
        return Repair(Result.SKIPPED, drift)

    def _drift(self, user: UserLeft, done: Filled | None = None) -> Drift:
        """`found` are rows by table, `wanted` the ids that they get, and after a repair how many got them."""
        identity = user.identity
        wanted = {"user_id": identity.user_id, "legacy_user_id": identity.legacy_user_id}
        if done is not None:
            wanted |= {"strings_filled": done.strings, "integers_filled": done.integers}
        return Drift(
            kind=self.kind,
            problem=HALF_FILLED,
            tenant_id=identity.tenant_id,
            object_type="user",
            object_id=identity.legacy_user_id,
            sentence=f"{user.rows} rows have one of the user's two ids.",
            label=identity.user_id,
            found={part.table.name: part.rows for part in user.parts},
            wanted=wanted,
        )
