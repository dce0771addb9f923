"""The API of a tenant's people and their keys, under `/api/scheduler/`, with or without a trailing slash."""

from apps.tenants.api.invitations import InvitationViewSet
from apps.tenants.api.keys import ApiKeyViewSet
from apps.tenants.api.people import MemberViewSet
from apps.tenants.api.routing import Router

router = Router()
router.register("api-keys", ApiKeyViewSet, basename="api-key")
router.register("invitations", InvitationViewSet, basename="invitation")
router.register("members", MemberViewSet, basename="member")

urlpatterns = router.urls
