"""The operators' page "Why didn't it run?": what became of a job's times, by the selector that the API answers with."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from django import forms
from django.contrib.admin import ModelAdmin
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.html import format_html
from django.utils.http import urlencode
from unfold.widgets import UnfoldAdminTextInputWidget

from apps.jobs.models import Job
from apps.jobs.payloads import frequency
from apps.jobs.schedules import database_now
from apps.jobs.why import MAX_SPAN, Why, why_at, why_between
from apps.jobs.why_payload import why_payload
from apps.tenants.operators import link

SHOWN = 100  # entries of a page
LOOKED_BACK = timedelta(days=1)  # where nothing is asked yet
_YEARS = range(1970, 9000)  # as the API has it


class InstantField(forms.DateTimeField):
    """UTC, whatever the browser's zone; to the second."""

    widget = UnfoldAdminTextInputWidget(attrs={"placeholder": "YYYY-MM-DD HH:MM:SS"})

    def clean(self, value: Any) -> datetime | None:
        found: datetime | None = super().clean(value)
        if found is not None and found.year not in _YEARS:
            raise forms.ValidationError(f"Use a year from {_YEARS.start} to {_YEARS.stop - 1}.")
        return found.astimezone(UTC) if found is not None else None


class QuestionForm(forms.Form):
    """One instant, or a range of at most MAX_SPAN."""

    at = InstantField(required=False, label="At one instant (UTC)")
    start = InstantField(required=False, label="or from")
    until = InstantField(required=False, label="to")

    def clean(self) -> dict[str, Any]:
        given: dict[str, Any] = super().clean() or {}
        at, start, until = (given.get(name) for name in ("at", "start", "until"))
        if self.errors:
            return given
        if at and (start or until):
            raise forms.ValidationError("Ask about one instant or about a range, not about both.")
        if not at and not (start and until):
            raise forms.ValidationError("Name an instant, or both ends of a range.")
        if start and until and not timedelta(0) <= until - start <= MAX_SPAN:
            raise forms.ValidationError(
                f"A range begins before it ends and is {MAX_SPAN.days} days long at most."
            )
        return given


def why_page(model_admin: ModelAdmin[Job], request: HttpRequest, object_id: str) -> HttpResponse:
    """GET only: it changes nothing. Shows the last day where nothing is asked."""
    job = model_admin.get_object(request, object_id)
    if job is None:
        raise Http404
    asked = request.GET if request.GET else _last_day()
    form = QuestionForm(asked)
    found = _answer(job, form.cleaned_data) if form.is_valid() else None
    context = {
        **model_admin.admin_site.each_context(request),
        "opts": model_admin.model._meta,
        "title": f"Why didn't it run? {job.name}",
        "job": job,
        "job_url": reverse("admin:jobs_job_change", args=[job.pk]),
        "frequency": frequency(job),
        "form": form,
        "found": found,
    }
    return TemplateResponse(request, "admin/why.html", context)


def _last_day() -> dict[str, str]:
    now = database_now().astimezone(UTC)
    return {"start": _plain(now - LOOKED_BACK), "until": _plain(now)}


def _answer(job: Job, asked: dict[str, Any]) -> dict[str, Any]:
    at, start, until = asked["at"], asked["start"], asked["until"]
    if at:
        why, start, until = why_at(tenant=job.tenant, job=job, at=at), at, at
    else:
        why = why_between(tenant=job.tenant, job=job, start=start, until=until, limit=SHOWN)
    shown = why_payload(job, why, start=start, until=until, at=bool(at))
    headers = ["Time (UTC)", f"In {job.timezone}", "Times", "What became of it", "Why"]
    rows = [_row(time) for time in shown["times"]]
    if job.timezone == "UTC":  # the same twice
        headers, rows = [headers[0], *headers[2:]], [[row[0], *row[2:]] for row in rows]
    return {
        "table": {"headers": headers, "rows": rows},
        "near": _near(why),
        "more": _more(why, until),
    }


def _row(time: dict[str, Any]) -> list[Any]:
    first, last = time["scheduled_for"], time["scheduled_until"]
    until = "" if first == last else format_html("<br>to {}", _plain(last))
    span = format_html('<span class="whitespace-nowrap">{}{}</span>', _plain(first), until)
    count = "?" if time["count"] is None else f"{time['count']:,}"
    sentence = " ".join(filter(None, (time["sentence"], time["note"])))
    local = format_html('<span class="whitespace-nowrap">{}</span>', _local(time["local_time"]))
    return [span, local, count, _outcome(time), sentence]


def _outcome(time: dict[str, Any]) -> Any:
    words = time["outcome"].replace("_", " ")
    if time["execution_id"] is None or time["finished_at"] is None:
        return words
    return link(reverse("admin:executions_executionlog_change", args=[time["execution_id"]]), words)


def _near(why: Why) -> list[tuple[str, str]]:
    """The times on either side of the instant, each with the query that asks about it."""
    return [
        (label, urlencode({"at": _plain(instant)}))
        for label, instant in (("The time before", why.before), ("The time after", why.after))
        if instant is not None
    ]


def _more(why: Why, until: datetime) -> str:
    if why.next_from is None:
        return ""
    return urlencode({"start": why.next_from.isoformat(), "until": until.isoformat()})


def _local(text: str) -> str:
    return datetime.fromisoformat(text).strftime("%a %Y-%m-%d %H:%M:%S")


def _plain(instant: datetime) -> str:
    return f"{instant:%Y-%m-%d %H:%M:%S}"
