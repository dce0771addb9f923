"""What the operators' pages of every app are made of.

Rows of the loop are read-only there, pages cost the same however long a table is, whatever is changed by hand leaves an
audit entry with the person's name, and an action that hurts asks for a reason first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from functools import cached_property
from typing import Any, TypeVar, cast

from django import forms
from django.contrib import messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.core.paginator import Paginator
from django.db.models import Model, Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.text import Truncator
from unfold.admin import ModelAdmin
from unfold.contrib.filters.admin import AutocompleteSelectFilter
from unfold.decorators import display
from unfold.widgets import UnfoldAdminTextareaWidget

from apps.tenants.services import Refused, audit

TENANT_FILTER = ("tenant", AutocompleteSelectFilter)
COUNTED = 10_000  # rows; beyond that a list says no more how long it is
MAX_SELECTED = 200  # rows that an action takes at once


F = TypeVar("F", bound=Callable[..., Any])


def column(
    description: str, *, ordering: str | None = None, label: dict[str, str] | None = None
) -> Callable[[F], F]:
    """A method as a column of a list; `label` colours its values."""
    return cast(Callable[[F], F], display(description=description, ordering=ordering, label=label))


def brief(text: str | None) -> str | None:
    """A sentence as a list has room for it; the row's own page has all of it."""
    return Truncator(text).chars(60) if text else None


def actor_of(request: HttpRequest) -> str:
    """The person at the admin, as the audit trail names them."""
    return f"{request.user.get_username()} (operator)"


class CappedPaginator(Paginator):  # type: ignore[type-arg]  # not subscriptable at run time
    """Counts no further than COUNTED rows: an exact count of a ledger takes longer than anyone waits."""

    @cached_property
    def count(self) -> int:
        rows: Any = self.object_list
        return int(rows.order_by()[:COUNTED].count())


class OperatorsAdmin(ModelAdmin):
    """A list that stays quick, and changes that are audited.

    `search_numbers` and `search_texts` are looked up whole and as prefixes, the way that indexes can serve.
    """

    show_full_result_count = False
    list_per_page = 50
    paginator = CappedPaginator
    list_fullwidth = True
    compressed_fields = True
    search_numbers: tuple[str, ...] = ()
    search_texts: tuple[str, ...] = ()

    def get_search_fields(self, request: HttpRequest) -> Any:
        return (*self.search_numbers, *self.search_texts)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        term = search_term.replace("\0", "").strip()
        if not term:
            return queryset, False
        found = Q(pk__in=[])
        if term.isdecimal() and len(term) <= 18:
            for name in self.search_numbers:
                found |= Q(**{name: int(term)})
        for name in self.search_texts:
            found |= Q(**{f"{name}__startswith": term})
        return queryset.filter(found), False

    def log_addition(self, request: HttpRequest, obj: Model, message: Any) -> Any:
        self._audit(request, obj, "add", message)
        return super().log_addition(request, obj, message)

    def log_change(self, request: HttpRequest, obj: Model, message: Any) -> Any:
        self._audit(request, obj, "change", message)
        return super().log_change(request, obj, message)

    def log_deletions(self, request: HttpRequest, queryset: QuerySet[Any]) -> Any:
        for obj in queryset:
            self._audit(request, obj, "delete", [])
        return super().log_deletions(request, queryset)

    def _audit(self, request: HttpRequest, obj: Any, verb: str, message: Any) -> None:
        """Which fields were changed, not what they hold: a password is one of them."""
        audit(
            actor=actor_of(request),
            action=f"admin.{verb}",
            tenant=obj if obj._meta.model_name == "tenant" else getattr(obj, "tenant", None),
            object_type=obj._meta.model_name,
            object_id=obj.pk,
            data={"changes": message if isinstance(message, list) else [str(message)]},
        )


class ReadOnlyAdmin(OperatorsAdmin):
    """For rows that the loop, the workers or services write: to look at and nothing else."""

    def has_add_permission(self, request: HttpRequest, *args: Any) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class ReasonForm(forms.Form):
    reason = forms.CharField(
        max_length=500,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 3, "autofocus": True}),
        help_text="Kept in the audit trail with your name.",
    )


def with_reason(
    model_admin: ModelAdmin,
    request: HttpRequest,
    rows: Iterable[Any],
    *,
    action: str,
    title: str,
    sentence: str,
    perform: Callable[[Any, str], object],
    form_class: type[ReasonForm] = ReasonForm,
    back: str = "",
) -> HttpResponse | None:
    """An action of a changelist that asks for a reason, and then does `perform(row, reason)` for each row.

    `perform` may raise `Refused`, which is shown; the other rows are done all the same. `back` is where a change of
    mind leads; the list, where it is not said.
    """
    rows = list(rows[: MAX_SELECTED + 1] if isinstance(rows, QuerySet) else rows)
    if len(rows) > MAX_SELECTED:
        messages.error(request, f"Select up to {MAX_SELECTED} rows at once.")
        return None
    form = form_class(request.POST if "confirmed" in request.POST else None)
    if not form.is_valid():
        context = {
            **model_admin.admin_site.each_context(request),
            "opts": model_admin.model._meta,
            "title": title,
            "sentence": sentence,
            "rows": rows,
            "form": form,
            "action": action,
            "action_checkbox_name": ACTION_CHECKBOX_NAME,
            "back": back or request.path,
        }
        return TemplateResponse(request, "admin/confirm_with_reason.html", context)
    done = 0
    for row in rows:
        try:
            perform(row, form.cleaned_data["reason"])
            done += 1
        except Refused as error:
            messages.error(request, str(error))
    if done:
        messages.success(request, f"{title}: {done} done.")
    return None


def one_with_reason(
    model_admin: ModelAdmin, request: HttpRequest, object_id: str, *, done: str = "", **words: Any
) -> HttpResponse:
    """As `with_reason`, from the page of one row; afterwards that page again, or `done`."""
    row = model_admin.get_object(request, object_id)
    if row is None:
        raise Http404
    page = row_page(row)
    answer = with_reason(model_admin, request, [row], action="", back=page, **words)
    return answer or HttpResponseRedirect(done or page)


def link(address: str, text: object) -> SafeString:
    """For a cell of a table."""
    return format_html('<a href="{}" class="text-primary-600 dark:text-primary-500">{}</a>', address, text)


def utc(instant: datetime) -> str:
    """Under a heading that says UTC."""
    return f"{instant.astimezone(UTC):%Y-%m-%d %H:%M:%S}"


def span(seconds: float) -> str:
    """As a person reads it: the two largest units."""
    parts: list[str] = []
    whole = max(0, round(seconds))
    for unit, size in (("d", 86_400), ("h", 3600), ("min", 60), ("s", 1)):
        if whole >= size and len(parts) < 2:
            parts.append(f"{whole // size} {unit}")
        whole %= size
    return " ".join(parts) or "0 s"


def row_page(row: Model) -> str:
    """The address of a row's own page."""
    return reverse(f"admin:{row._meta.app_label}_{row._meta.model_name}_change", args=[row.pk])
