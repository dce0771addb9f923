"""Making tenants, members and keys: through the commands that operators use."""

import io

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from apps.tenants import keys, provisioning, selectors, services
from apps.tenants.context import all_tenants_scope, tenant_scope
from apps.tenants.crypto import CannotOpen, open_sealed, seal
from apps.tenants.models import ApiKey, AuditEntry, Membership, Tenant, User, UserIdentity
from apps.tenants.schema_scripts import Script
from apps.vault import services as vault
from apps.vault.models import Endpoint, JobContent
from tests.factories import TenantFactory, key_of


def run(command: str, *args: str, **options: object) -> tuple[str, str]:
    out, err = io.StringIO(), io.StringIO()
    call_command(command, *args, stdout=out, stderr=err, **options)
    return out.getvalue().strip(), err.getvalue().strip()


def test_from_nothing_to_a_key_that_works(db):
    assert "delta.localhost" in run("create_tenant", "delta", name="Delta")[0]
    run("create_member", "delta", "dora", role="owner", legacy_user_id=41)
    text, warning = run("create_api_key", "delta", "dora", role="member", days=3)
    assert "cannot be shown again" in warning
    key = selectors.valid_key(text)
    assert key is not None
    assert selectors.tenant_of_key(key).schema_name == "delta"
    assert selectors.tenant_of_host("delta.localhost") == selectors.tenant_by_name("delta")
    with tenant_scope(selectors.tenant_by_name("delta")):
        assert UserIdentity.objects.get().user_id == "dora"
        assert set(AuditEntry.objects.values_list("action", flat=True)) == {
            "tenant.create",
            "member.create",
            "api_key.create",
        }


@pytest.mark.parametrize(
    "name", ["", "Acme", "1st", "pg_catalog", "public", 'a"b', "a" * 51, "a;drop", "a\n"]
)
def test_unusable_names_are_refused_with_a_sentence(db, name):
    with pytest.raises(services.Refused, match="cannot name a tenant"):
        services.tenant_create(schema_name=name, name="x", actor="tests")


def test_taken_names_and_hosts_are_refused_and_leave_nothing(db, acme):
    with pytest.raises(services.Refused, match="already"):
        services.tenant_create(schema_name="acme", name="x", actor="tests")
    with pytest.raises(services.Refused, match="host name"):
        services.tenant_create(schema_name="other", name="x", domain="acme.localhost", actor="tests")
    assert selectors.tenant_by_name("other") is None


def test_commands_name_what_is_missing(db, acme):
    with pytest.raises(CommandError, match="no tenant 'nowhere'"):
        run("create_member", "nowhere", "x")
    with pytest.raises(CommandError, match="no plan 'gold'"):
        run("create_tenant", "echo", plan="gold")
    with pytest.raises(CommandError, match="no member"):
        run("create_api_key", "acme", "nobody")
    with pytest.raises(CommandError, match="http or https"):
        run("set_endpoint", "acme", "ftp://example.com")


def test_a_replayed_schema_is_what_migrations_would_have_made(live_db):
    """The same tables, columns, constraints and recorded migrations; and `migrate` finds nothing left to do."""
    replayed = TenantFactory(schema_name="replayed")
    with all_tenants_scope():
        migrated = Tenant.objects.create(schema_name="migrated", name="x", plan=replayed.plan)
    with connection.cursor() as cursor:
        cursor.execute("CREATE SCHEMA migrated")
    call_command(
        "migrate_schemas", schema_name="migrated", executor="standard", verbosity=0, interactive=False
    )
    described = []
    for schema in (replayed.schema_name, migrated.schema_name):
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT c.relname, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull,"
                " (SELECT array_agg(pg_get_constraintdef(k.oid) ORDER BY k.conname) FROM pg_constraint k"
                "   WHERE k.conrelid = c.oid)"
                " FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
                " JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0"
                " WHERE n.nspname = %s ORDER BY 1, a.attnum",
                [schema],
            )
            tables = cursor.fetchall()
            cursor.execute(f"SELECT app, name FROM {schema}.django_migrations ORDER BY 1, 2")
            described.append((tables, cursor.fetchall()))
    assert described[0] == described[1]
    assert any(row[0] == "vault_jobcontent" for row in described[0][0])
    call_command("migrate_schemas", check_unapplied=True, verbosity=0)


def test_a_schema_that_fails_leaves_no_tenant(live_db, monkeypatch):
    broken = Script(("CREATE TABLE fine (id int);", "CREATE NONSENSE"), ())
    monkeypatch.setattr(provisioning, "_script", lambda: broken)
    with pytest.raises(Exception, match="syntax error"):
        TenantFactory(schema_name="halfway")
    assert selectors.tenant_by_name("halfway") is None
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_namespace WHERE nspname = 'halfway'")
        assert cursor.fetchone() == (0,)


def test_migrations_see_every_tenants_rows(live_db, acme):
    """Under FORCE a data migration would otherwise see none, and say nothing."""
    wrapper = connection
    wrapper.migrating = True
    try:
        wrapper.set_schema("public")
        assert Tenant.objects.count() >= 2
    finally:
        wrapper.migrating = False
    assert Tenant.objects.count() == 0


# -- keys ----------------------------------------------------------------------------------------------------------


def test_a_key_text_is_checked_before_the_database_is_asked():
    text = str(keys.generate())
    assert keys.parse(text) is not None
    assert keys.parse(text[:-1] + ("0" if text[-1] != "0" else "1")) is None
    for garbage in ("", "sched_live__", text + "x", text.upper(), "sched_live_\x00", "ключ"):
        assert keys.parse(garbage) is None


def test_only_the_hash_of_a_secret_is_kept(db, cast):
    key, text = key_of(cast.alice)
    with connection.cursor() as cursor:
        cursor.execute("SELECT row_to_json(k)::text FROM tenants_apikey k WHERE id = %s", [key.pk])
        (stored,) = cursor.fetchone()
    assert keys.parse(text).secret not in stored


def test_expired_and_revoked_keys_are_no_keys(db, cast):
    key, text = key_of(cast.alice)
    assert selectors.valid_key(text) == key
    ApiKey.objects.filter(pk=key.pk).update(expires_at="2020-01-01T00:00:00Z")
    assert selectors.valid_key(text) is None
    other, other_text = key_of(cast.alice)
    services.api_key_revoke(key=other, actor="tests", reason="lost")
    services.api_key_revoke(key=other, actor="tests", reason="again")
    assert selectors.valid_key(other_text) is None
    with all_tenants_scope():
        assert AuditEntry.objects.filter(action="api_key.revoke").count() == 1


def test_a_key_is_never_stronger_than_its_member(db, cast):
    with pytest.raises(services.Refused, match="cannot have the role"):
        key_of(cast.vic, role="owner")


def test_an_account_may_be_in_two_tenants_and_once_in_each(db, cast, bravo):
    with all_tenants_scope():
        username = cast.bob.account.username
        services.member_create(tenant=bravo, username=username, role="viewer", actor="tests")
        assert Membership.objects.filter(account__username=username).count() == 2
        assert User.objects.filter(username=username).count() == 1
    with pytest.raises(services.Refused, match="already"):
        services.member_create(tenant=bravo, username=username, role="owner", actor="tests")


# -- the vault -----------------------------------------------------------------------------------------------------


def test_content_is_encrypted_and_comes_back(db, acme, bravo):
    with tenant_scope(acme):
        vault.content_put(job_id=1, version=1, content={"token": "hush-hush"})
        assert vault.content_get(job_id=1, version=1) == {"token": "hush-hush"}
        assert vault.contents_get([(1, 1), (1, 2)]) == {(1, 1): {"token": "hush-hush"}}
        assert b"hush" not in bytes(JobContent.objects.get().sealed)
    with tenant_scope(bravo):
        assert not JobContent.objects.exists()


def test_sealed_values_cannot_be_moved(settings):
    sealed = seal("acme", "content:1:1", {"a": 1})
    assert open_sealed("acme", "content:1:1", sealed) == {"a": 1}
    for schema, label in (("bravo", "content:1:1"), ("acme", "content:2:1")):
        with pytest.raises(CannotOpen):
            open_sealed(schema, label, sealed)
    settings.VAULT_KEYS = ["a newer key", *settings.VAULT_KEYS]
    assert open_sealed("acme", "content:1:1", sealed) == {"a": 1}
    settings.VAULT_KEYS = ["only another key"]
    with pytest.raises(CannotOpen):
        open_sealed("acme", "content:1:1", sealed)


def test_rotating_an_endpoints_secret_keeps_the_last_one(db, acme):
    first, _ = run("set_endpoint", "acme", "https://example.com/hook")
    again, _ = run("set_endpoint", "acme", "https://example.com/other")
    assert again == first
    second, _ = run("set_endpoint", "acme", "https://example.com/other", rotate=True)
    assert second != first
    with tenant_scope(acme):
        content = vault.endpoint_get()
        assert content is not None
        assert (content.url, content.secrets) == ("https://example.com/other", [second, first])
        assert second not in repr(content)
        assert Endpoint.objects.count() == 1
