"""The dashboard's jobs, the next to run first."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("jobs", "0004_schedule_since")]

    operations = [
        migrations.AddIndex(
            "cursor", models.Index(fields=["tenant", "next_run_at", "job"], name="cursor_next_of_tenant")
        ),
    ]
