"""Gate 3: no GET writes, and none could."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.conf import settings
from django.db import DatabaseError, connection, transaction
from django.http import HttpRequest, HttpResponse
from django.test import RequestFactory
from django.urls import URLPattern, URLResolver, get_resolver, reverse

from apps.executions.models import ExecutionLog
from apps.jobs.models import Calendar, Job
from apps.jobs.platforms import registry
from apps.operations.gates.probing import busiest_tenants
from apps.operations.gates.report import Check
from apps.tenants.context import tenant_scope
from apps.tenants.models import ApiKey
from apps.vault.models import NotificationChannel
from scheduler_saas.gates.asking import BASE, Asker, asker_of
from scheduler_saas.middleware import ReadOnlyMiddleware

TENANTS = 3
READ_ONLY = "25006"
# Rows written in this transaction so far, of any table, and its number, which it gets with its first write.
_WRITTEN = """
SELECT coalesce(sum(n_tup_ins + n_tup_upd + n_tup_del), 0)::bigint, pg_current_xact_id_if_assigned()::text
FROM pg_stat_xact_all_tables
"""
# An UPDATE of no row: the database refuses it for what it is, before it looks for rows.
_WRITE = "UPDATE tenants_plan SET name = name WHERE false"


def read_checks() -> Iterator[Check]:
    yield _refused()
    tenant = next((asker for asker in map(asker_of, busiest_tenants(TENANTS)) if asker), None)
    name = "no GET of the API writes"
    if tenant is None:
        yield Check(name, False, "No active tenant has a host and a member, so nobody can be asked for.")
        return
    paths = list(_paths(tenant))
    with transaction.atomic():
        before = _written()
        statuses = {path: tenant.get(path, **_query(path))[0] for path in paths}
        after = _written()
    # `health` may say that nobody leads, which is for gate 2 to judge.
    allowed = {"health": (200, 503)}
    broken = [
        f"{path} is answered {status}"
        for path, status in statuses.items()
        if status not in allowed.get(path, (200, 404))
    ]
    found = sum(status == 200 for status in statuses.values())
    counters = f"The database counts {after[0] - before[0]} rows written, and the transaction has"
    yield Check(
        name,
        before == after and not broken,
        f"{'; '.join(broken[:3])}."
        if broken
        else f"{len(paths)} routes asked in {tenant.tenant.schema_name}, {found} of them with an object to show."
        f" {counters} {'got no' if before[1] == after[1] else 'got a'} number for writing.",
    )


def _refused() -> Check:
    """A view that writes, run as the middleware runs the view of a GET."""

    def view(request: HttpRequest) -> HttpResponse:
        with connection.cursor() as cursor:
            cursor.execute(_WRITE)
        return HttpResponse()

    name = "a write inside a GET is refused by the database"
    try:
        with transaction.atomic():
            ReadOnlyMiddleware(view).process_view(RequestFactory().get("/"), view, (), {})
    except DatabaseError as error:
        state = getattr(error.__cause__, "sqlstate", None)
        said = " ".join(str(error).split())
        return Check(name, state == READ_ONLY, f"It was refused with {state}: {said}.")
    return Check(name, False, "An UPDATE in the view of a GET was not refused.")


def _written() -> tuple[int, str | None]:
    with connection.cursor() as cursor:
        cursor.execute(_WRITTEN)
        rows, number = cursor.fetchone()
    return rows, number


def _paths(asker: Asker) -> Iterator[str]:
    """Every route of the API that answers a GET, with ids of the tenant's own objects where it has any."""
    ids = _ids(asker)
    for pattern in _walk(get_resolver(settings.ROOT_URLCONF).url_patterns):
        if "GET" in _methods(pattern.callback):
            names = pattern.pattern.regex.groupindex
            kwargs = {name: ids.get(name, "0") for name in names}
            path = reverse(str(pattern.name), urlconf=settings.ROOT_URLCONF, kwargs=kwargs)
            if path.startswith(BASE):
                yield path.removeprefix(BASE)


def _query(path: str) -> dict[str, str]:
    """What a route will not do without."""
    if path == "jobs/outcomes":
        return {"job_id": "1"}
    return {"at": "2026-01-01T00:00:00Z"} if path.endswith("/why") else {}


def _ids(asker: Asker) -> dict[str, str]:
    tenant = asker.tenant
    with tenant_scope(tenant):
        rows: dict[str, Any] = {
            "job_id": Job.objects.filter(tenant=tenant, deleted_at=None).order_by("-pk").first(),
            "log_id": ExecutionLog.objects.filter(tenant=tenant).order_by("-scheduled_for").first(),
            "channel_id": NotificationChannel.objects.first(),
            "calendar_id": Calendar.objects.filter(tenant=tenant).first(),
            "member_id": asker.member.membership,
            "key_id": ApiKey.objects.filter(tenant=tenant).first(),
        }
    ids = {name: str(row.pk) for name, row in rows.items() if row is not None}
    return ids | {"user_id": asker.member.user_id, "platform": next(iter(registry.names()), "gsc")}


def _walk(patterns: list[Any]) -> Iterator[URLPattern]:
    for pattern in patterns:
        if isinstance(pattern, URLResolver):
            yield from _walk(pattern.url_patterns)
        else:
            yield pattern


def _methods(view: Any) -> set[str]:
    actions = getattr(view, "actions", None)
    if actions:
        return {method.upper() for method in actions}
    owner = getattr(view, "cls", None) or view.view_class
    return {"GET"} if hasattr(owner, "get") else set()
