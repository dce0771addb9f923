from django.db import migrations


class Migration(migrations.Migration):
    """The plan of a tenant for which none is named."""

    dependencies = [("tenants", "0002_row_security")]

    operations = [
        migrations.RunSQL(
            "INSERT INTO tenants_plan (name, max_jobs, min_interval_seconds, max_timeout_seconds, retention_days,"
            " allowed_tasks) VALUES ('standard', 1000, 60, 3600, 30, '{}')",
            "DELETE FROM tenants_plan WHERE name = 'standard'",
        )
    ]
