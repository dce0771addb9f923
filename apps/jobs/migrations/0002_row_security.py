from django.db import migrations

from apps.tenants.row_security import protect


def child_of_job(table: str, constraint: str) -> migrations.RunSQL:
    """A row of `table` names its tenant and its job together: foreign keys see through row security."""
    return migrations.RunSQL(
        f"ALTER TABLE {table} ADD CONSTRAINT {constraint} FOREIGN KEY (tenant_id, job_id)"
        " REFERENCES jobs_job (tenant_id, id)",
        f"ALTER TABLE {table} DROP CONSTRAINT {constraint}",
    )


class Migration(migrations.Migration):
    dependencies = [
        ("jobs", "0001_initial"),
        ("executions", "0002_ledger"),
        ("tenants", "0002_row_security"),
    ]

    operations = [
        protect("jobs_job"),
        protect("jobs_cursor"),
        child_of_job("jobs_cursor", "cursor_of_job_of_tenant"),
        child_of_job("executions_execution", "execution_of_job_of_tenant"),
        child_of_job("executions_skip", "skip_of_job_of_tenant"),
        migrations.RunSQL("ALTER TABLE jobs_cursor SET (fillfactor = 70)", migrations.RunSQL.noop),
    ]
