"""The limit for the API's figures: DRF on the same server, rendering a payload that it need not look for."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import django
from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.urls import path

settings.configure(
    ALLOWED_HOSTS=["*"],
    ROOT_URLCONF=__name__,
    SECRET_KEY="of a benchmark",
    REST_FRAMEWORK={
        "DEFAULT_AUTHENTICATION_CLASSES": [],
        "DEFAULT_PERMISSION_CLASSES": [],
        "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
        "UNAUTHENTICATED_USER": None,
    },
)
django.setup()

from rest_framework.request import Request  # noqa: E402 - once there are settings
from rest_framework.response import Response  # noqa: E402
from rest_framework.views import APIView  # noqa: E402

_PAYLOAD: Any = json.loads(Path(os.environ["PAYLOAD_FILE"]).read_text(encoding="utf-8"))


class Bare(APIView):
    def get(self, request: Request) -> Response:
        return Response(_PAYLOAD)


urlpatterns = [path("", Bare.as_view())]
application = get_wsgi_application()
