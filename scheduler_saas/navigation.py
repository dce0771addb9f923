"""The sidebar of the operators' admin."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.http import HttpRequest
from django.templatetags.static import static
from django.urls import reverse


def sidebar(request: HttpRequest) -> list[dict[str, Any]]:
    """Groups of links; those that the person may not open are left out by the template."""
    return [
        {
            "title": "Now",
            "items": [
                {"title": "Overview", "icon": "monitoring", "link": reverse("admin:index")},
                _rows("Live executions", "play_circle", "executions", "execution"),
                _rows("Jobs", "event_repeat", "jobs", "job"),
                _rows("Terms", "how_to_vote", "leadership", "leaderterm"),
                _rows("Refused writes", "block", "leadership", "refusedwrite"),
                {
                    "title": "Reconcile",
                    "icon": "build",
                    "link": reverse("admin:reconcile"),
                    "permission": _may("jobs.change_cursor"),
                },
                {
                    "title": "Gates",
                    "icon": "rule",
                    "link": reverse("admin:gates"),
                    "permission": _may("operations.view_evidence"),
                },
                {
                    "title": "Runbooks",
                    "icon": "menu_book",
                    "link": reverse("admin:runbooks"),
                    "permission": _may("operations.view_acknowledgement"),
                },
            ],
        },
        {
            "title": "Ledger",
            "separator": True,
            "items": [
                _rows("Executions", "receipt_long", "executions", "executionlog"),
                _rows("Skips", "skip_next", "executions", "skip"),
                _rows("Earlier attempts", "replay", "executions", "attempt"),
                _rows("Events", "list_alt", "leadership", "schedulerevent"),
                _rows("Totals", "functions", "executions", "tenanttotals"),
                _rows("Counters", "bar_chart", "executions", "counter"),
            ],
        },
        {
            "title": "Tenants",
            "separator": True,
            "items": [
                _rows("Tenants", "apartment", "tenants", "tenant"),
                _rows("Plans", "sell", "tenants", "plan"),
                _rows("Members", "group", "tenants", "membership"),
                _rows("User identities", "badge", "tenants", "useridentity"),
                _rows("API keys", "key", "tenants", "apikey"),
                _rows("Audit", "history", "tenants", "auditentry"),
            ],
        },
        {
            "title": "Access",
            "separator": True,
            "items": [
                _rows("Accounts", "person", "tenants", "user"),
                _rows("Failed sign-ins", "lock", "axes", "accessattempt"),
            ],
        },
    ]


def icon(request: HttpRequest) -> str:
    """The address of the favicon."""
    return static("scheduler/icon.svg")


def _rows(title: str, icon: str, app: str, model: str) -> dict[str, Any]:
    return {
        "title": title,
        "icon": icon,
        "link": reverse(f"admin:{app}_{model}_changelist"),
        "permission": _may(f"{app}.view_{model}"),
    }


def _may(permission: str) -> Callable[[HttpRequest], bool]:
    return lambda request: bool(request.user.has_perm(permission))
