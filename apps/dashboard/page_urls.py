"""The pages of a tenant's host, under `/dashboard/`."""

from django.urls import path

from apps.dashboard.pages import PAGES, DashboardPage
from apps.dashboard.sign_in import SignIn, SignOut


def _page(route: str, name: str, url: str | None = None) -> object:
    return path(route, DashboardPage.as_view(page=PAGES[name]), name=f"dashboard-{url or name}")


urlpatterns = [
    path("sign-in/", SignIn.as_view(), name="sign-in"),
    path("sign-out/", SignOut.as_view(), name="sign-out"),
    _page("", "overview", "page"),
    _page("jobs/", "jobs"),
    _page("jobs/new/", "job_form", "job-new"),
    _page("jobs/<int:job_id>/", "job"),
    _page("jobs/<int:job_id>/edit/", "job_form", "job-edit"),
    _page("executions/", "executions"),
    _page("attention/", "attention"),
    _page("timeline/", "timeline"),
    _page("events/", "events"),
]
