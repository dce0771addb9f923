"""The operators' admin, as its tests come to it."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from apps.tenants.context import all_tenants_scope
from apps.tenants.models import User


@pytest.fixture
def olga(db: None) -> User:
    return User.objects.create_superuser("olga", password="correct horse battery")


@pytest.fixture
def browser(olga: User) -> Client:
    """Olga, on call, signed in on the operators' host."""
    client = Client(headers={"Host": "localhost"})
    client.force_login(olga, backend="django.contrib.auth.backends.ModelBackend")
    return client


@pytest.fixture
def live_browser(live_db: str) -> Client:
    """As `browser`, in a test that commits."""
    client = Client(headers={"Host": "localhost"})
    olga = User.objects.create_superuser("olga", password="correct horse battery")
    client.force_login(olga, backend="django.contrib.auth.backends.ModelBackend")
    return client


@pytest.fixture
def rows(acme: Any, bravo: Any) -> dict[str, dict[Any, Any]]:
    from tests.admin_rows import rows_of

    with all_tenants_scope():
        return {tenant.schema_name: rows_of(tenant) for tenant in (acme, bravo)}
