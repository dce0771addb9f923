"""`migrate` over many tenants: the same as Django's own, in a fraction of the time, and it can be stopped anywhere."""

from __future__ import annotations

import io

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from apps.tenants import migrating
from apps.tenants.migrating import ReplayExecutor
from tests.factories import TenantFactory

NEWEST = ("vault", "0003_notification_channel")


@pytest.fixture
def tenants(live_db: str) -> list[str]:
    return [TenantFactory(schema_name=name).schema_name for name in ("aline", "boris", "clara")]


def take_back(*schemas: str) -> None:
    """As the release before left them: shared apps' records are older there, too."""
    with connection.cursor() as cursor:
        for schema in schemas:
            cursor.execute(f"DROP TABLE {schema}.vault_notificationchannel")
            cursor.execute(f"DELETE FROM {schema}.django_migrations WHERE (app, name) = (%s, %s)", NEWEST)
            cursor.execute(
                f"DELETE FROM {schema}.django_migrations WHERE app = 'executions' AND name >= '0014'"
            )


def described(schema: str) -> list[object]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT c.relname, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull, a.attidentity,"
            " (SELECT array_agg(pg_get_constraintdef(k.oid) ORDER BY k.conname) FROM pg_constraint k"
            "   WHERE k.conrelid = c.oid)"
            " FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0"
            " WHERE c.relnamespace = %s::regnamespace ORDER BY 1, a.attnum",
            [schema],
        )
        tables = cursor.fetchall()
        cursor.execute(f"SELECT app, name FROM {schema}.django_migrations ORDER BY 1, 2")
        return [tables, cursor.fetchall()]


def migrate(**options: object) -> None:
    call_command(
        "migrate_schemas", tenant=True, interactive=False, verbosity=0, stdout=io.StringIO(), **options
    )


def missing(schema: str) -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT to_regclass(%s) IS NULL", [f"{schema}.vault_notificationchannel"])
        return bool(cursor.fetchone()[0])


@pytest.mark.parametrize("by", ["replay", "django"])
def test_who_is_behind_catches_up(
    tenants: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], by: str
) -> None:
    """By `django`: as for a migration that is not SQL."""
    if by == "django":
        monkeypatch.setattr(migrating, "collected", lambda **_: None)
    whole = described("clara")
    take_back("aline", "boris")
    assert described("aline") != whole
    with pytest.raises(SystemExit):
        migrate(check_unapplied=True)
    assert missing("aline")
    migrate()
    assert described("aline") == described("boris") == described("clara") == whole
    if by == "replay":
        migrate(check_unapplied=True)
        capsys.readouterr()
        call_command("migrate_schemas", tenant=True, interactive=False)
        assert "of which 0 were brought up" in capsys.readouterr().out


def test_one_that_fails_is_named_and_the_next_run_goes_on(tenants: list[str]) -> None:
    take_back(*tenants)
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE boris.vault_notificationchannel (mine int)")
    with pytest.raises(CommandError, match=r"boris: .*already exists[\s\S]*boris is as it was"):
        migrate()
    done = {schema for schema in tenants if not missing(schema)} - {"boris"}
    assert done  # in the order of their numbers: who came before it
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM boris.django_migrations WHERE app = 'executions' AND name >= '0014'"
        )
        assert cursor.fetchone() == (0,)
        cursor.execute("DROP TABLE boris.vault_notificationchannel")
    migrate()
    assert described("aline") == described("boris") == described("clara")


def test_a_schema_without_any_table_is_made_whole(tenants: list[str]) -> None:
    """A restore that brought the row and not the schema's tables."""
    with connection.cursor() as cursor:
        cursor.execute("DROP SCHEMA aline CASCADE")
        cursor.execute("CREATE SCHEMA aline")
    migrate()
    assert described("aline") == described("boris")


def test_the_statements_are_collected_once_for_each_state(
    tenants: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    states: list[object] = []
    real = migrating.collected
    monkeypatch.setattr(migrating, "collected", lambda **how: (states.append(how), real(**how))[1])
    take_back(*tenants)
    ReplayExecutor((), {"verbosity": 0}).run_migrations(tenants)
    assert len(states) == 1
