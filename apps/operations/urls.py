"""The API of repair, under `/api/scheduler/`, with or without a trailing slash."""

from django.urls import URLPattern, re_path

from apps.operations.api.views import ReconcileView

urlpatterns: list[URLPattern] = [
    re_path(r"^reconcile/(?P<kind>[a-z_]+)/?$", ReconcileView.as_view(), name="reconcile"),
]
