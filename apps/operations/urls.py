"""The API of repair, under `/api/scheduler/`, with or without a trailing slash."""

from apps.operations.api.views import ReconcileViewSet
from apps.tenants.api.routing import Router

router = Router()
router.register("reconcile", ReconcileViewSet, basename="reconcile")

urlpatterns = router.urls
