"""The API that dashboards read."""

from django.urls import URLPattern

urlpatterns: list[URLPattern] = []
