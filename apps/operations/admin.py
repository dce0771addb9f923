"""Repair in the admin: jobs, with an action that leads to the page on which they are reconciled."""

from __future__ import annotations

from urllib.parse import urlencode

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse

from apps.jobs.admin import JobAdmin
from apps.jobs.models import Job
from apps.operations.pages import PERMISSION

MAX_SELECTED = 200  # jobs; their ids travel in the address


@admin.register(Job)
class ReconcilableJobAdmin(JobAdmin):
    actions = ("reconcile",)

    def has_reconcile_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm(PERMISSION))

    @admin.action(description="Reconcile cursors …", permissions=["reconcile"])
    def reconcile(self, request: HttpRequest, queryset: QuerySet[Job]) -> HttpResponse | None:
        ids = list(queryset.order_by("id").values_list("id", flat=True)[: MAX_SELECTED + 1])
        if len(ids) > MAX_SELECTED:
            messages.error(
                request, f"Select up to {MAX_SELECTED} jobs, or reconcile a tenant or all of them at once."
            )
            return None
        query = urlencode({"kind": "cursors", "jobs": ",".join(map(str, ids))}, safe=",")
        return HttpResponseRedirect(f"{reverse('admin:reconcile')}?{query}")
