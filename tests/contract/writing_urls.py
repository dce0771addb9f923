"""A tenant's host on which a GET tries to write: what must never pass review, and must not matter if it does."""

from typing import Any

from django.urls import path
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.jobs.models import Job


class WritingView(APIView):
    def get(self, request: Request) -> Response:
        member: Any = request.user
        return Response({"changed": Job.objects.filter(tenant=member.tenant).update(name="written by a GET")})


urlpatterns = [path("api/scheduler/writing", WritingView.as_view(), name="writing")]
handler404 = "apps.tenants.api.errors.not_found"
handler500 = "apps.tenants.api.errors.server_error"
