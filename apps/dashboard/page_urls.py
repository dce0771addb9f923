"""The pages of a tenant's host, under `/dashboard/`."""

from django.urls import path

from apps.dashboard.accounts.passwords import AccountPage, ForgottenPassword, NewPassword
from apps.dashboard.accounts.sign_in import SignIn, SignOut
from apps.dashboard.pages import PAGES, DashboardPage


def _page(route: str, name: str, url: str | None = None) -> object:
    return path(route, DashboardPage.as_view(page=PAGES[name]), name=f"dashboard-{url or name}")


urlpatterns = [
    path("sign-in/", SignIn.as_view(), name="sign-in"),
    path("sign-out/", SignOut.as_view(), name="sign-out"),
    path("forgotten-password/", ForgottenPassword.as_view(), name="forgotten-password"),
    path("new-password/<uidb64>/<token>/", NewPassword.as_view(), name="new-password"),
    path("account/", AccountPage.as_view(), name="dashboard-account"),
    _page("", "overview", "page"),
    _page("jobs/", "jobs"),
    _page("jobs/new/", "job_form", "job-new"),
    _page("jobs/<int:job_id>/", "job"),
    _page("jobs/<int:job_id>/edit/", "job_form", "job-edit"),
    _page("executions/", "executions"),
    _page("attention/", "attention"),
    _page("timeline/", "timeline"),
    _page("events/", "events"),
    _page("settings/", "settings"),
]
