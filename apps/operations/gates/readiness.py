"""Gate 3: users are found by any of their ids, nothing has drifted, and on-call knows its runbooks."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any, NamedTuple

from django.db import connection

from apps.executions.history import Ledger
from apps.executions.selectors import finished_count
from apps.operations.gates.probing import busiest_tenants
from apps.operations.gates.report import Check
from apps.operations.reconcilers import RECONCILERS
from apps.operations.reports import Item
from apps.operations.runbooks import unacknowledged
from apps.operations.services import reconcile
from apps.operations.statements import sql
from apps.tenants.context import tenant_scope
from apps.tenants.identity import user_forms
from apps.tenants.models import Tenant

TENANTS, PAGE = 10, 500
_LOOKS, _BETWEEN_LOOKS = 3, 0.2  # what moves while it is looked at is no finding


class User(NamedTuple):
    """One form of a user's id that rows have; `text` and `number` are what the identity table says, if it does."""

    form: str
    text: str
    number: int | None


def user_id_checks() -> Iterator[Check]:
    """Asked by whichever form its rows have, a user has the same rows by the API's reads and by plain SQL."""
    wrong: list[str] = []
    users = with_legacy = 0
    tenants = busiest_tenants(TENANTS)
    for tenant in tenants:
        with tenant_scope(tenant):
            for user in _sample(tenant):
                users += 1
                with_legacy += user.number is not None
                if problem := _differs(tenant, user):
                    wrong.append(f"{user.form} of {tenant.schema_name}: {problem}")
    with connection.cursor() as cursor:
        cursor.execute(sql("count_unresolved"))
        (unresolved,) = cursor.fetchone()
    yield Check(
        "users are found by old and new ids",
        not wrong,
        f"Reads and SQL differ for user {wrong[0]}."
        if wrong
        else f"{users} users of {len(tenants)} tenants, {with_legacy} of them with an integer id, have the same rows"
        f" by the API's reads and by SQL. {unresolved} rows have an integer that nobody has mapped.",
    )


def _sample(tenant: Tenant) -> list[User]:
    with connection.cursor() as cursor:
        cursor.execute(sql("sample_users"), {"tenant_id": tenant.pk})
        return [User(*row) for row in cursor.fetchall()]


def _differs(tenant: Tenant, user: User) -> str:
    """How, or ""; rows come and go meanwhile, so it has to differ each time."""
    problem = ""
    for look in range(_LOOKS):
        if look:
            time.sleep(_BETWEEN_LOOKS)
        with connection.cursor() as cursor:
            cursor.execute(sql("rows_of_user"), {"tenant_id": tenant.pk, **user._asdict(), "size": PAGE})
            total, ids = cursor.fetchone()
        forms = user_forms(tenant.pk, user.form)
        read = [row.pk for row in Ledger(tenant.pk, user=forms).read(size=PAGE)]
        counted = finished_count(tenant_id=tenant.pk, user=forms)
        if read == ids and counted == total:
            return ""
        missing, strange = len(set(ids) - set(read)), len(set(read) - set(ids))
        problem = (
            f"{missing} of its rows are not found, {strange} are another's, {counted} of {total} are counted"
        )
    return problem


def drift_checks() -> Iterator[Check]:
    """A dry run of each reconciler over all tenants."""
    lasting = _lasting_drift()
    for kind, reconciler in RECONCILERS.items():
        found = [item.drift for item in lasting if item.drift.kind == kind]
        name = (
            "totals agree with the history"
            if kind == "cumulative_stats"
            else f"no drift: {reconciler.title.lower()}"
        )
        yield Check(
            name,
            not found,
            f"{len(found)} found; the first, of tenant {found[0].tenant_id}: {found[0].sentence} See"
            f" `manage.py reconcile --only {kind} --dry-run`."
            if found
            else "A dry run over all tenants found none.",
        )


def _lasting_drift() -> list[Item]:
    """What is found each time."""
    items: list[Item] = _drift(list(RECONCILERS))
    for _ in range(_LOOKS - 1):
        if not items:
            break
        time.sleep(_BETWEEN_LOOKS)
        before = {_what(item) for item in items}
        items = [item for item in _drift(sorted({i.drift.kind for i in items})) if _what(item) in before]
    return items


def _drift(kinds: list[str]) -> list[Item]:
    return list(reconcile(kinds=kinds, tenant=None, dry_run=True, reason="", actor="gate").items)


def _what(item: Item) -> tuple[Any, ...]:
    drift = item.drift
    return drift.kind, drift.problem, drift.tenant_id, drift.object_id


def runbook_checks() -> Iterator[Check]:
    missing = unacknowledged()
    yield Check(
        "runbooks and thresholds are acknowledged",
        not missing,
        f"Not acknowledged as they are now: {', '.join(missing[:5])}{' and more' if len(missing) > 5 else ''}."
        " Read them, and acknowledge them in the admin or by `manage.py runbooks`."
        if missing
        else "Each has been acknowledged as it is now.",
    )
