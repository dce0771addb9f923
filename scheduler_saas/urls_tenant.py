"""What a tenant's host and the API host answer."""

from django.urls import include, path
from django.views.generic import RedirectView

from apps.tenants.pages import JoinView

urlpatterns = [
    path("api/scheduler/", include("apps.jobs.urls")),
    path("api/scheduler/", include("apps.dashboard.urls")),
    path("api/scheduler/", include("apps.operations.urls")),
    path("api/scheduler/", include("apps.tenants.urls")),
    path("dashboard/", include("apps.dashboard.page_urls")),
    path("", RedirectView.as_view(pattern_name="dashboard-page"), name="home"),
    path("join/<str:token>", JoinView.as_view(), name="join"),
]
handler400 = "apps.tenants.api.errors.bad_request"
handler404 = "apps.dashboard.errors.not_found"
handler500 = "apps.dashboard.errors.server_error"
