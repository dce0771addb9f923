"""The API that dashboards read, under `/api/scheduler/`, with or without a trailing slash."""

from django.urls import re_path

from apps.dashboard.api import openapi  # noqa: F401 - registers how authentication is described
from apps.dashboard.api.events import EventHistoryViewSet
from apps.dashboard.api.insights import Forecast, Hours
from apps.dashboard.api.logs import ExecutionLogViewSet, RecentSchedulerLogViewSet
from apps.dashboard.api.logs_csv import ExecutionLogCsv
from apps.dashboard.api.overview import Dashboard, Health, Pulse, Schema, Status, Usage
from apps.dashboard.api.platforms import PlatformLogs
from apps.tenants.api.routing import Router

router = Router()
router.register("execution-logs", ExecutionLogViewSet, basename="execution-log")
router.register("event-history", EventHistoryViewSet, basename="event-history")
router.register("recent-scheduler-logs", RecentSchedulerLogViewSet, basename="recent-scheduler-log")

# Single documents, not collections: nothing to list or to look up.
urlpatterns = [
    re_path(r"^execution-logs\.csv/?$", ExecutionLogCsv.as_view(), name="execution-log-csv"),
    *router.urls,
    re_path(
        r"^platform-insights/logs/(?P<user_id>[^/]+)/?$",
        PlatformLogs.as_view(),
        name="platform-insights-logs",
    ),
    re_path(r"^insights/hours/?$", Hours.as_view(), name="insights-hours"),
    re_path(r"^insights/forecast/?$", Forecast.as_view(), name="insights-forecast"),
    re_path(r"^dashboard/?$", Dashboard.as_view(), name="dashboard"),
    re_path(r"^pulse/?$", Pulse.as_view(), name="pulse"),
    re_path(r"^status/?$", Status.as_view(), name="status"),
    re_path(r"^usage/?$", Usage.as_view(), name="usage"),
    re_path(r"^health/?$", Health.as_view(), name="health"),
    re_path(r"^schema/?$", Schema.as_view(), name="schema"),
]
