"""How long `migrate` takes for a thousand tenants that lack one migration: a table with its keys, on each schema."""

from __future__ import annotations

import io
import time
from statistics import median

from tests.benchmarks.bench import Bench, Result, Session, session
from tests.benchmarks.databases import our_database
from tests.benchmarks.record import Figure, Goal

TENANTS, BY_DJANGO = 1_000, 25
APP, NAME, TABLE = "vault", "0003_notification_channel", "vault_notificationchannel"
WITHIN = Goal("value", "<", 60)


def run(bench: Bench) -> Result:
    with our_database("bench_migrating", tenants=TENANTS) as tenants, session() as own:
        names = [tenant.schema_name for tenant in tenants]
        ours = median(_seconds(own, names, "replay") for _ in range(bench.rounds))
        theirs = median(_seconds(own, names[:BY_DJANGO], "standard") for _ in range(bench.rounds))
        none = median(_seconds(own, [], "replay") for _ in range(bench.rounds))
    figures = [
        Figure(
            "migrating.one-migration",
            ours,
            "s",
            f"Django's own for each schema, {BY_DJANGO} x {TENANTS // BY_DJANGO}",
            theirs * TENANTS / BY_DJANGO,
            WITHIN,
        ),
        Figure("migrating.nothing-to-do", none, "s"),
    ]
    return Result(figures, note=f"{TENANTS:,} tenants, each with a schema of its own.")


def _seconds(own: Session, behind: list[str], executor: str) -> float:
    """Of `migrate` for all, or by Django for those that are `behind` alone."""
    from django.core.management import call_command

    for name in behind:
        own.execute(f'DROP TABLE "{name}".{TABLE}')
        own.execute(f'DELETE FROM "{name}".django_migrations WHERE app = %s AND name = %s', [APP, NAME])
    started = time.perf_counter()
    for schema in [None] if executor == "replay" else behind:
        call_command(
            "migrate_schemas",
            tenant=True,
            schema_name=schema,
            executor=executor,
            interactive=False,
            verbosity=0,
            stdout=io.StringIO(),
        )
    seconds = time.perf_counter() - started
    missing = [
        name
        for name in behind
        if own.execute("SELECT to_regclass(%s)", [f"{name}.{TABLE}"]).fetchone() == (None,)
    ]
    if missing:
        raise RuntimeError(f"{len(missing)} schemas were not migrated")
    return seconds
