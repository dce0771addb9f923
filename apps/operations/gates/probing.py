"""Whom gates look at, and a session for what must not stay: bounded in time, and rolled back."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from django.db.models import F, OuterRef, Subquery

from apps.executions.models import TenantTotals
from apps.tenants import machine
from apps.tenants.models import Tenant

STATEMENT_SECONDS = 10
Session = psycopg.Connection[tuple[Any, ...]]


def busiest_tenants(most: int) -> list[Tenant]:
    """Active tenants, those with most work first. Call it in the scope of all tenants."""
    work = TenantTotals.objects.filter(tenant=OuterRef("pk")).values("tasks_found")[:1]
    active = Tenant.objects.filter(status=Tenant.Status.ACTIVE).annotate(work=Subquery(work))
    return list(active.order_by(F("work").desc(nulls_last=True), "pk")[:most])


@contextmanager
def probe() -> Iterator[Session]:
    """A session of its own that sees all tenants, in a transaction of which nothing is kept.

    Not Django's: a page runs in a READ ONLY transaction, in which no policy would get to refuse a row.
    """
    with (
        machine.connect(application_name="scheduler gate") as session,
        session.transaction(force_rollback=True),
    ):
        session.execute("SELECT set_config('statement_timeout', %s, true)", [f"{STATEMENT_SECONDS}s"])
        yield session


@contextmanager
def as_tenant(session: Session, schema: str) -> Iterator[None]:
    """Inside, the session of `probe` is in the scope of a tenant."""
    with session.transaction(force_rollback=True):
        session.execute(
            "SELECT set_config('search_path', %s, true), set_config('scheduler.all_tenants', 'off', true)",
            [f'"{schema}", public'],
        )
        yield
