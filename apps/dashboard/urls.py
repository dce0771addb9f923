"""The API that dashboards read, under `/api/scheduler/`, with or without a trailing slash."""

from django.urls import URLPattern, re_path

from apps.dashboard.api import openapi  # noqa: F401 - registers how authentication is described
from apps.dashboard.api.events import EventHistory
from apps.dashboard.api.logs import ExecutionLogDetail, ExecutionLogList, RecentSchedulerLogs
from apps.dashboard.api.overview import Dashboard, Health, Schema, Status

urlpatterns: list[URLPattern] = [
    re_path(r"^dashboard/?$", Dashboard.as_view(), name="dashboard"),
    re_path(r"^execution-logs/?$", ExecutionLogList.as_view(), name="execution-logs"),
    re_path(r"^execution-logs/(?P<log_id>[^/]+)/?$", ExecutionLogDetail.as_view(), name="execution-log"),
    re_path(r"^event-history/?$", EventHistory.as_view(), name="event-history"),
    re_path(r"^recent-scheduler-logs/?$", RecentSchedulerLogs.as_view(), name="recent-scheduler-logs"),
    re_path(r"^status/?$", Status.as_view(), name="status"),
    re_path(r"^health/?$", Health.as_view(), name="health"),
    re_path(r"^schema/?$", Schema.as_view(), name="schema"),
]
