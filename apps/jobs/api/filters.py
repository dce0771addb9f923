"""What a query string asks of the list of jobs, checked and applied. An empty value is as good as none."""

from __future__ import annotations

from typing import Any

import django_filters
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from rest_framework.request import Request

from apps.jobs.models import Job
from apps.jobs.selectors import jobs_of
from apps.jobs.states import Status
from apps.tenants.api.access import listed_user, member_of
from apps.tenants.api.errors import InvalidFields

_LONGEST = 200  # of any text that a job has and a list is filtered by
_COLUMNS = {"next_run_time": "due"}  # of an annotation that is never null
_NAMES = ("id", "name", "created_at", "updated_at", "next_run_time")
ORDERINGS = [*_NAMES, *(f"-{name}" for name in _NAMES)]


def printable(text: str) -> None:
    """Raises ValidationError for what no text of a job can have in it."""
    if not text.isprintable():
        raise ValidationError("Use printable characters only.")


def _text(*args: str, **options: Any) -> django_filters.CharFilter:
    return django_filters.CharFilter(
        *args, max_length=_LONGEST, strip=False, validators=[printable], **options
    )


def _choice(values: list[str], **options: Any) -> django_filters.ChoiceFilter:
    said = {"invalid_choice": f"Use one of {', '.join(values)}."}
    return django_filters.ChoiceFilter(
        choices=[(value, value) for value in values], error_messages=said, **options
    )


class JobFilters(django_filters.FilterSet):
    """Over `selectors.jobs_of`. Whose jobs they are, and the order, is for `asked_jobs` to answer."""

    status = _choice(Status.values)
    task_type = _text()
    task_category = _text()
    user_id = _text(
        method="elsewhere",
        help_text="Whose, in any form of the id. For admins and owners; members see their own.",
    )
    search = _text("name", "icontains", help_text="Part of the name, in either case.")
    ordering = _choice(
        ORDERINGS,
        method="elsewhere",
        help_text="`-id` where it is left out. Jobs that are not due come last by `next_run_time`.",
    )

    class Meta:
        model = Job
        fields: tuple[str, ...] = ()

    def elsewhere(self, jobs: QuerySet[Any], name: str, value: str) -> QuerySet[Any]:
        return jobs

    @property
    def order(self) -> tuple[str, ...]:
        """Columns whose combination is unique, all of one direction. Only when valid."""
        asked = self.form.cleaned_data["ordering"] or "-id"
        sign, name = ("-", asked[1:]) if asked.startswith("-") else ("", asked)
        return (f"{sign}id",) if name == "id" else (f"{sign}{_COLUMNS.get(name, name)}", f"{sign}id")


def asked_jobs(request: Request) -> tuple[QuerySet[Any], tuple[str, ...]]:
    """The jobs that the member may list and the query string asks for, and their order.

    Raises PermissionDenied (403) for another user's without the role, InvalidFields (400) by field.
    """
    user_id = listed_user(request, request.query_params.get("user_id"))
    filters = JobFilters(request.query_params, jobs_of(member_of(request).tenant, user_id=user_id))
    if not filters.is_valid():
        raise InvalidFields(dict(filters.errors))
    return filters.qs, filters.order
