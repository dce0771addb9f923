"""The API of repair."""

from django.urls import URLPattern

urlpatterns: list[URLPattern] = []
