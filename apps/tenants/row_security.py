"""Row security as migration operations: one policy for every shared table with a tenant's rows.

The row's tenant is that of `current_schema()`, or the session is the machine's (`scheduler.all_tenants`). Both are
scalar sub-selects, evaluated once per query. `current_schema()` has type name and collation "C"; compared as a
varchar of the default collation it can use the unique index on `schema_name`.
FORCE applies the policy to the table's owner, which is the role that the application uses.
"""

from django.db import migrations

CURRENT_SCHEMA = 'current_schema()::varchar COLLATE "default"'
CURRENT_TENANT = f"(SELECT id FROM public.tenants_tenant WHERE schema_name = {CURRENT_SCHEMA})"  # noqa: S608
ALL_TENANTS = "(SELECT current_setting('scheduler.all_tenants', true) = 'on')"
OWN_ROW = f"tenant_id = {CURRENT_TENANT}"
VISIBLE_ROW = f"{OWN_ROW} OR {ALL_TENANTS}"


def _enable(table: str) -> str:
    return f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;"


def _disable(table: str, *policies: str) -> str:
    drops = "".join(f"DROP POLICY {policy} ON {table};" for policy in policies)
    return f"{drops} ALTER TABLE {table} NO FORCE ROW LEVEL SECURITY, DISABLE ROW LEVEL SECURITY;"


def protect(table: str, using: str = VISIBLE_ROW) -> migrations.RunSQL:
    """Show and accept only the current tenant's rows of `table`, or every row to the machine."""
    return migrations.RunSQL(
        f"{_enable(table)} CREATE POLICY tenant_rows ON {table} USING ({using}) WITH CHECK ({using});",
        _disable(table, "tenant_rows"),
    )


def protect_append_only(table: str) -> migrations.RunSQL:
    """As `protect`, and no row can be changed or deleted: there is no policy that lets anyone."""
    return migrations.RunSQL(
        f"{_enable(table)} CREATE POLICY tenant_rows ON {table} FOR SELECT USING ({VISIBLE_ROW});"
        f"CREATE POLICY tenant_appends ON {table} FOR INSERT WITH CHECK ({VISIBLE_ROW});",
        _disable(table, "tenant_rows", "tenant_appends"),
    )


def protect_from_machine(table: str) -> migrations.RunSQL:
    """The machine may insert, and only the tenant itself may read: results are the customer's alone."""
    return migrations.RunSQL(
        f"{_enable(table)} CREATE POLICY tenant_rows ON {table} USING ({OWN_ROW}) WITH CHECK ({OWN_ROW});"
        f"CREATE POLICY machine_appends ON {table} FOR INSERT WITH CHECK ({ALL_TENANTS});",
        _disable(table, "tenant_rows", "machine_appends"),
    )


def scrub_when_forgotten(table: str) -> migrations.RunSQL:
    """For a table under `protect_append_only`: the machine may empty the rows of a tenant that is being deleted.

    What an entry was, of whose and when stays as it is (the trigger), and what it said can only go (the policy).
    """
    deleting = "(SELECT id FROM public.tenants_tenant WHERE status = 'deleting')"
    forgotten = f"{ALL_TENANTS} AND tenant_id IN {deleting}"
    return migrations.RunSQL(
        f"CREATE POLICY tenant_forgotten ON {table} FOR UPDATE USING ({forgotten})"
        f" WITH CHECK ({forgotten} AND data = '{{}}'::jsonb);"
        f"CREATE FUNCTION {table}_stays() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
        " IF (NEW.id, NEW.tenant_id, NEW.at, NEW.action, NEW.object_type)"
        " IS DISTINCT FROM (OLD.id, OLD.tenant_id, OLD.at, OLD.action, OLD.object_type)"
        " OR NEW.actor NOT IN (OLD.actor, '') OR NEW.reason NOT IN (OLD.reason, '')"
        " OR NEW.object_id NOT IN (OLD.object_id, '')"
        " THEN RAISE EXCEPTION 'an audit entry can only be emptied'; END IF; RETURN NEW; END $$;"
        f"CREATE TRIGGER {table}_stays BEFORE UPDATE ON {table}"
        f" FOR EACH ROW EXECUTE FUNCTION {table}_stays();",
        f"DROP TRIGGER {table}_stays ON {table}; DROP FUNCTION {table}_stays();"
        f"DROP POLICY tenant_forgotten ON {table};",
    )
