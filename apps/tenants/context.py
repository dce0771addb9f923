"""The one way into a tenant on Django's connection, and the one way to the view of all tenants.

A scope belongs to a connection and so to a thread: a new thread starts outside every tenant and sees no row.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol, cast

from django.db import connection
from django_tenants.postgresql_backend.base import FakeTenant
from django_tenants.utils import get_public_schema_name


class HasSchema(Protocol):
    schema_name: str


def _wrapper() -> Any:
    return cast(Any, connection)


@contextmanager
def _scope(tenant: HasSchema, *, all_tenants: bool) -> Iterator[None]:
    wrapper = _wrapper()
    before, before_all = wrapper.tenant, wrapper.all_tenants
    wrapper.set_scope(tenant, all_tenants=all_tenants)
    try:
        yield
    finally:
        wrapper.set_scope(before, all_tenants=before_all)


@contextmanager
def tenant_scope(tenant: HasSchema) -> Iterator[None]:
    """Inside, queries see `tenant`'s schema first and its rows of the shared tables; restored on leaving."""
    with _scope(tenant, all_tenants=False):
        yield


@contextmanager
def all_tenants_scope() -> Iterator[None]:
    """Inside, queries see every tenant's shared rows and no tenant's vault: for the machine and on-call alone."""
    with _scope(FakeTenant(get_public_schema_name()), all_tenants=True):
        yield


def enter_public() -> None:
    """Leave every tenant. The state in which a request or a thread begins."""
    _wrapper().set_schema_to_public()


def enter_tenant(tenant: HasSchema) -> None:
    """For the request middleware, which leaves with `enter_public`. Everything else uses `tenant_scope`."""
    _wrapper().set_scope(tenant, all_tenants=False)


def enter_all_tenants() -> None:
    """For the middleware of the operators' host, which leaves with `enter_public`."""
    _wrapper().set_scope(FakeTenant(get_public_schema_name()), all_tenants=True)


def current_schema_name() -> str:
    return cast(str, _wrapper().schema_name)
