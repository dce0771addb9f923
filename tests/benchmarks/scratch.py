"""A migrated database with a few tenants that lasts for one measurement of reads."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg

from tests.benchmarks.databases import our_database

TENANTS = 4


@contextmanager
def scratch_database(tenants: int = TENANTS) -> Iterator[list[int]]:
    """The ids of its tenants. The server is that of the run (DATABASE_URL)."""
    with our_database(f"bench_scratch_{os.getpid()}", tenants=tenants) as made:
        yield [tenant.pk for tenant in made]


def server_facts(session: psycopg.Connection[Any]) -> str:
    """The settings that these figures depend on, in a line."""
    names = ("server_version", "shared_buffers", "fsync", "synchronous_commit")
    rows = session.execute(
        "SELECT name, current_setting(name) FROM unnest(%s::text[]) AS name", [list(names)]
    ).fetchall()
    return ", ".join(f"{name} {value}" for name, value in rows) + f", {os.cpu_count()} cores"
