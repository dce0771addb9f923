"""A tenant's host with a view that fails, with a customer's words in the error."""

from django.urls import path
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView


class FailingView(APIView):
    authentication_classes = []
    permission_classes = []

    def get(self, request: Request) -> Response:
        raise RuntimeError(request.query_params["said"])


urlpatterns = [path("api/scheduler/failing", FailingView.as_view())]
handler404 = "apps.tenants.api.errors.not_found"
handler500 = "apps.tenants.api.errors.server_error"
