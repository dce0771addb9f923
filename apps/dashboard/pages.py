"""The pages that a tenant's people look at, on the tenant's host: frames that read the JSON contract by themselves.

A page holds nothing of the tenant's but its name; all the rest comes from `/api/scheduler/`, with the session of the
person who looks, so that what a page shows is what the contract and row security let that person read.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.templatetags.static import static
from django.urls import reverse
from django.utils.decorators import method_decorator
from django.views import View
from django.views.decorators.cache import never_cache

from apps.tenants.authentication import Member, member_of_account

_ROOT = "scheduler/dashboard"
_KIT = ("dom", "api", "time", "live", "viewer", "shell", "theme_switch")


@dataclass(frozen=True, slots=True)
class Page:
    """`name` is the URL's, the template's and the script's; `kit` are modules it imports beside those of every page,
    and `parts` those that stand beside the script.
    """

    name: str
    title: str
    section: str  # the entry of the navigation that it belongs to
    kit: tuple[str, ...] = ()
    sheets: tuple[str, ...] = ()
    parts: tuple[str, ...] = ()


# What the navigation has, in order: section, title.
NAVIGATION = (
    ("overview", "Overview"),
    ("jobs", "Jobs"),
    ("executions", "Executions"),
    ("attention", "Needs attention"),
    ("timeline", "Timeline"),
    ("events", "Events"),
    ("settings", "Settings"),
)
_LISTS = ("states", "outcomes", "dialogs", "lists")
_DRAWER = ("execution", "execution_attempts")
PAGES = {
    page.name: page
    for page in (
        Page(
            "overview",
            "Overview",
            "overview",
            (*_LISTS, "tree", "events", "charts", *_DRAWER),
            ("tree", "execution", "overview"),
        ),
        Page("jobs", "Jobs", "jobs", (*_LISTS, "tree", "job_actions"), ("tree", "jobs")),
        Page("executions", "Executions", "executions", (*_LISTS, *_DRAWER), ("execution",)),
        Page(
            "attention",
            "Needs attention",
            "attention",
            (*_LISTS, *_DRAWER),
            ("execution", "attention"),
            parts=("attention_task", "attention_failures", "attention_bulk", "attention_pick", "keyed"),
        ),
        Page(
            "timeline",
            "Timeline",
            "timeline",
            (*_LISTS, "charts", *_DRAWER),
            ("execution", "timeline"),
            parts=("timeline_lanes", "timeline_runs", "timeline_forecast", "clock_changes", "keyed"),
        ),
        Page("events", "Events", "events", (*_LISTS, "events"), ("tree", "events")),
        Page(
            "settings",
            "Settings",
            "settings",
            _LISTS,
            ("settings",),
            parts=tuple(
                f"settings/{part}"
                for part in (
                    "forms",
                    "lists",
                    "roles",
                    "keys",
                    "members",
                    "invitations",
                    "channels",
                    "channel_form",
                    "usage",
                    "platforms",
                    "calendars",
                    "calendar_form",
                )
            ),
        ),
        Page("account", "Your account", ""),
        Page("job", "Job", "jobs", (*_LISTS, "job_actions", *_DRAWER), ("job", "execution")),
        Page("job_form", "Job", "jobs", ("states", "dialogs"), ("job_form",)),
    )
}


def url_name(section: str) -> str:
    return "dashboard-page" if section == "overview" else f"dashboard-{section.replace('_', '-')}"


def frame(request: HttpRequest, **more: Any) -> dict[str, Any]:
    """What templates/dashboard/base.html asks for."""
    return {
        "tenant": request.tenant,  # type: ignore[attr-defined]
        **more,
    }


def _sign_in(request: HttpRequest) -> HttpResponse:
    return HttpResponseRedirect(f"{reverse('sign-in')}?{urlencode({'next': request.get_full_path()})}")


@method_decorator(never_cache, name="dispatch")
class DashboardPage(View):
    """For members. Others are sent to sign in; an account that is no member here is told so (403)."""

    page: Page = PAGES["overview"]

    def get(self, request: HttpRequest, **path: Any) -> HttpResponseBase:
        return self.answer(request, path)

    def answer(self, request: HttpRequest, path: dict[str, Any], given: Any = None) -> HttpResponseBase:
        """The page to a member; `given` is what a form of it was sent with."""
        account: Any = request.user
        if not account.is_authenticated or not account.is_active:
            return _sign_in(request)
        member = member_of_account(request.tenant, account)  # type: ignore[attr-defined]
        if member is None:
            context = frame(request, account=account)
            return TemplateResponse(request, "dashboard/no_member.html", context, status=403)
        context = self._context(request, member, path) | self.more(request, member, given)
        return TemplateResponse(request, f"dashboard/{self.page.name}.html", context)

    def more(self, request: Any, member: Member, given: Any) -> dict[str, Any]:
        """What a page has beside the frame."""
        return {}

    def _context(self, request: HttpRequest, member: Member, path: dict[str, Any]) -> dict[str, Any]:
        page = self.page
        frame_ = frame(request, member=member, page=page, path=path)
        frame_["sheets"] = [static(f"{_ROOT}/pages/{name}.css") for name in page.sheets]
        frame_["modules"] = [static(f"{_ROOT}/kit/{name}.js") for name in (*_KIT, *page.kit)]
        frame_["modules"] += [static(f"{_ROOT}/pages/{name}.js") for name in page.parts]
        if page.section:
            frame_["script"] = static(f"{_ROOT}/pages/{page.name}.js")
        frame_["navigation"] = [
            {"icon": name, "title": title, "href": reverse(url_name(name)), "current": name == page.section}
            for name, title in NAVIGATION
        ]
        return frame_
