"""What a database that fails does to a POST with an Idempotency-Key: nothing is said that is not known."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from django.db import OperationalError, connection, transaction

from apps.tenants import idempotency
from apps.tenants.context import tenant_scope


def test_a_failure_while_waiting_is_no_request_at_work(live_db: str, cast: Any) -> None:
    """Only a wait that took too long means that the key is held; any other error of the database is itself."""
    held, release = threading.Event(), threading.Event()

    def hold() -> None:
        with tenant_scope(cast.tenant), transaction.atomic():
            idempotency.claim(cast.tenant, cast.bob, "k", "0" * 64)
            held.set()
            release.wait(30)
            transaction.set_rollback(True)
        connection.close()

    holder = threading.Thread(target=hold)
    holder.start()
    try:
        assert held.wait(30)
        with (
            pytest.raises(OperationalError, match="statement timeout"),
            tenant_scope(cast.tenant),
            transaction.atomic(),
        ):
            with connection.cursor() as cursor:
                cursor.execute("SET LOCAL statement_timeout = '200ms'")
            idempotency.claim(cast.tenant, cast.bob, "k", "1" * 64)
    finally:
        release.set()
        holder.join(30)
