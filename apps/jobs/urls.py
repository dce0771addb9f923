"""The API of jobs, under `/api/scheduler/`, with or without a trailing slash."""

from apps.jobs.api.views import JobViewSet
from apps.tenants.api.routing import Router

router = Router()
router.register("jobs", JobViewSet, basename="job")

urlpatterns = router.urls
