"""The API of jobs, under `/api/scheduler/`, with or without a trailing slash."""

from django.urls import re_path

from apps.jobs.api.calendars import CalendarViewSet
from apps.jobs.api.executions import ExecutionActions
from apps.jobs.api.interventions import (
    AllTasksNeedingIntervention,
    ManualTrigger,
    TaskInterventionSummary,
    TasksNeedingIntervention,
)
from apps.jobs.api.platforms import ConnectionViewSet, PlatformInsightsViewSet
from apps.jobs.api.views import JobViewSet
from apps.tenants.api.routing import Router

router = Router()
router.register("jobs", JobViewSet, basename="job")
router.register("calendars", CalendarViewSet, basename="calendar")
router.register("executions", ExecutionActions, basename="execution")
router.register("connections", ConnectionViewSet, basename="connection")
router.register("platform-insights", PlatformInsightsViewSet, basename="platform-insights")

urlpatterns = [
    *router.urls,
    re_path(
        r"^tasks-needing-intervention/?$",
        AllTasksNeedingIntervention.as_view(),
        name="tasks-needing-intervention-list",
    ),
    re_path(
        r"^tasks-needing-intervention/(?P<user_id>[^/]+)/?$",
        TasksNeedingIntervention.as_view(),
        name="tasks-needing-intervention",
    ),
    re_path(
        r"^task-intervention/summary/(?P<user_id>[^/]+)/?$",
        TaskInterventionSummary.as_view(),
        name="task-intervention-summary",
    ),
    re_path(  # a task's type may have a slash in it
        r"^tasks/(?P<task_type>.+)/(?P<task_id>[^/]+)/manual-trigger/?$",
        ManualTrigger.as_view(),
        name="task-manual-trigger",
    ),
]
