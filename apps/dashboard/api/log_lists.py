"""Which logs a query string asks for: finished, running or skipped; the same for a page as for a file."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from rest_framework.request import Request

from apps.dashboard import payloads, selectors
from apps.dashboard.api.filters import RUNNING, SKIPPED, LogFilters, SkipFilters, checked
from apps.executions.models import ExecutionLog, Skip
from apps.tenants.api.access import listed_user, member_of
from apps.tenants.api.paging import NEWEST_FIRST, Listed, Queried
from apps.tenants.models import Tenant


@dataclass(frozen=True, slots=True)
class LogList:
    """Rows in their order, and how a page of them is shown."""

    tenant: Tenant
    rows: Listed
    payloads_of: Callable[[Tenant, Any], list[dict[str, Any]]]

    def shown(self, rows: Any) -> list[dict[str, Any]]:
        return self.payloads_of(self.tenant, rows)


def asked_logs(request: Request) -> LogList:
    """Raises InvalidFields (400), and PermissionDenied (403) for another user's logs without the role."""
    tenant = member_of(request).tenant
    is_skipped = request.query_params.get("status") == SKIPPED
    filters = checked(
        SkipFilters if is_skipped else LogFilters,
        request,
        (Skip if is_skipped else ExecutionLog).objects.none(),
    )
    asked = filters.form.cleaned_data
    user_id = listed_user(request, asked["user_id"])
    if is_skipped:
        skipped = filters.filter_queryset(selectors.skipped(tenant, user_id))
        return LogList(tenant, Queried(skipped, ("-last", "-id")), payloads.skipped_logs)
    if asked["status"] == RUNNING:
        running = filters.filter_queryset(selectors.running(tenant, user_id))
        return LogList(tenant, Queried(running, NEWEST_FIRST), payloads.running_logs)
    if asked["job_id"] is not None or asked["search"] or asked["retried"]:
        narrowed = filters.filter_queryset(selectors.finished(tenant, user_id, asked["status"] or None))
        return LogList(tenant, Queried(narrowed, NEWEST_FIRST), payloads.finished_logs)
    ledger = selectors.ledger(
        tenant, user_id, asked["status"] or None, since=asked["since"], until=asked["until"]
    )
    return LogList(tenant, ledger, payloads.finished_logs)
