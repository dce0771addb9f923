"""The API of repair and upkeep, under `/api/scheduler/`, with or without a trailing slash."""

from django.urls import re_path

from apps.operations.api.channels import NotificationChannelViewSet
from apps.operations.api.journal import EventCleanup, EventStatistics
from apps.operations.api.totals import CumulativeStatsReconcile
from apps.operations.api.views import ReconcileViewSet
from apps.tenants.api.routing import Router

router = Router()
router.register("reconcile", ReconcileViewSet, basename="reconcile")
router.register("notification-channels", NotificationChannelViewSet, basename="notification-channel")

urlpatterns = [
    *router.urls,
    re_path(r"^event-logs/stats/?$", EventStatistics.as_view(), name="event-log-stats"),
    re_path(r"^cleanup-event-logs/?$", EventCleanup.as_view(), name="event-log-cleanup"),
    re_path(
        r"^dashboard/cumulative-stats/reconcile/?$",
        CumulativeStatsReconcile.as_view(),
        name="cumulative-stats-reconcile",
    ),
]
