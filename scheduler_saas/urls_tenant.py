"""What a tenant's host and the API host answer."""

from django.urls import include, path

urlpatterns = [
    path("api/scheduler/", include("apps.jobs.urls")),
    path("api/scheduler/", include("apps.dashboard.urls")),
    path("api/scheduler/", include("apps.operations.urls")),
]
