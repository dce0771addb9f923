"""Databases on the run's server: a migrated one with tenants for ours, an empty one for a peer."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg import sql

from scheduler_saas.demo.database import drop_database

_TEMPLATES: dict[int, str] = {}


def server_url() -> str:
    return os.environ["DATABASE_URL"].rpartition("/")[0]


@contextmanager
def empty_database(name: str) -> Iterator[str]:
    """Its URL."""
    _on_server(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    try:
        yield f"{server_url()}/{name}"
    finally:
        _drop(name)


@contextmanager
def our_database(name: str, *, tenants: int) -> Iterator[list[Any]]:
    """Django's connection on a database of its own; yields its tenants, each with its real schema."""
    from django.db import connection

    wrapper: Any = connection
    template = _template(tenants)
    _on_server(
        sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY file_copy").format(
            sql.Identifier(name), sql.Identifier(template)
        )
    )
    wrapper.close()
    before = wrapper.settings_dict["NAME"]
    wrapper.settings_dict["NAME"] = name
    try:
        yield _tenants()
    finally:
        wrapper.close()
        wrapper.settings_dict["NAME"] = before
        _drop(name)


def drop_templates() -> None:
    while _TEMPLATES:
        _drop(_TEMPLATES.popitem()[1])


def _template(tenants: int) -> str:
    from django.core.management import call_command
    from django.db import connection

    from apps.tenants.services import tenant_create

    if tenants not in _TEMPLATES:
        name = f"bench_template_{tenants}"
        _on_server(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        _TEMPLATES[tenants] = name
        wrapper: Any = connection
        wrapper.close()
        before = wrapper.settings_dict["NAME"]
        wrapper.settings_dict["NAME"] = name
        call_command("migrate", verbosity=0, interactive=False)
        for number in range(tenants):
            tenant_create(schema_name=f"bench{number:05}", name=f"Bench {number}", actor="benchmark")
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE")
        wrapper.close()
        wrapper.settings_dict["NAME"] = before
    return _TEMPLATES[tenants]


def _tenants() -> list[Any]:
    from apps.tenants.context import all_tenants_scope
    from apps.tenants.models import Tenant

    with all_tenants_scope():
        return list(Tenant.objects.select_related("plan").order_by("id"))


def _drop(name: str) -> None:
    with psycopg.connect(f"{server_url()}/postgres", autocommit=True) as session:
        drop_database(session, name)


def _on_server(statement: sql.Composed) -> None:
    with psycopg.connect(f"{server_url()}/postgres", autocommit=True) as session:
        session.execute(statement)
