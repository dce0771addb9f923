"""Django's connection of this process, led to a server of the test's own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection

from tests.clusters import DATABASE, ROLE, Cluster


@contextmanager
def connected_to(server: Cluster) -> Iterator[None]:
    before = dict(connection.settings_dict)
    connection.close()
    connection.settings_dict.update(
        HOST="127.0.0.1", PORT=str(server.port), USER=ROLE, PASSWORD="", NAME=DATABASE, EMBEDDED=False
    )
    try:
        yield
    finally:
        connection.close()
        connection.settings_dict.clear()
        connection.settings_dict.update(before)
