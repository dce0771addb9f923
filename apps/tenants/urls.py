"""The API of a tenant's people and their keys, under `/api/scheduler/`, with or without a trailing slash."""

from apps.tenants.api.routing import Router

router = Router()

urlpatterns = router.urls
