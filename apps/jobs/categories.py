"""A tenant's jobs by category. Reads only."""

from __future__ import annotations

from typing import Any

from django.db.models import Count, QuerySet

from apps.jobs.selectors import jobs_of
from apps.jobs.states import Status
from apps.tenants.models import Tenant


def categories_of(tenant: Tenant, *, user_id: str | None) -> list[dict[str, Any]]:
    """The categories of the tenant's jobs, or of one user's, in the order of their names; one query."""
    jobs: QuerySet[Any] = jobs_of(tenant, user_id=user_id)
    counted = (
        jobs.select_related(None).order_by().values_list("task_category", "status").annotate(n=Count("pk"))
    )
    found: dict[str, dict[str, Any]] = {}
    for category, status, n in counted:
        row = found.setdefault(
            category,
            {"category": category, "label": label_of(category), "job_count": 0}
            | dict.fromkeys(Status.values, 0),
        )
        row[status] += n
        row["job_count"] += n
    return sorted(found.values(), key=lambda row: (row["label"].casefold(), row["category"]))


def label_of(category: str) -> str:
    """A category's name for people: "platform_insights" is "Platform insights"."""
    words = " ".join(category.replace("_", " ").split())
    return words[:1].upper() + words[1:] if words else category
