"""Policies of time, overlap and failure; calendars; cursors that carry their job's version and a lane."""

import django.db.models.deletion
import django.db.models.functions.datetime
from django.db import migrations, models

from apps.tenants.row_security import protect

# A lane is the number of digits of a job's place among its tenant's.
FILL_CURSORS = """
UPDATE jobs_cursor AS cursor
SET version = job.version, lane = length(job.place::text)
FROM (SELECT id, version, row_number() OVER (PARTITION BY tenant_id ORDER BY id) AS place FROM jobs_job) AS job
WHERE job.id = cursor.job_id
"""
CALENDAR_OF_TENANT = """
ALTER TABLE jobs_job ADD CONSTRAINT calendar_of_tenant FOREIGN KEY (tenant_id, calendar_id)
    REFERENCES jobs_calendar (tenant_id, id)
"""


class Migration(migrations.Migration):
    dependencies = [
        ("jobs", "0005_next_of_tenant"),
        ("tenants", "0006_quotas"),
    ]

    operations = [
        migrations.CreateModel(
            name="Calendar",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("name", models.CharField(max_length=200)),
                ("timezone", models.CharField(db_default="UTC", max_length=64)),
                ("blackouts", models.JSONField(default=list)),
                ("version", models.IntegerField(db_default=1)),
                ("created_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ("updated_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
            ],
        ),
        migrations.RemoveIndex(
            model_name="cursor",
            name="cursor_due",
        ),
        migrations.AddField(
            model_name="cursor",
            name="cool_offs",
            field=models.PositiveSmallIntegerField(db_default=0),
        ),
        migrations.AddField(
            model_name="cursor",
            name="lane",
            field=models.PositiveSmallIntegerField(db_default=1),
        ),
        migrations.AddField(
            model_name="cursor",
            name="version",
            field=models.IntegerField(db_default=1),
        ),
        migrations.AddField(
            model_name="job",
            name="cool_off_after",
            field=models.PositiveSmallIntegerField(db_default=5),
        ),
        migrations.AddField(
            model_name="job",
            name="cool_off_seconds",
            field=models.PositiveIntegerField(db_default=300),
        ),
        migrations.AddField(
            model_name="job",
            name="ends_at",
            field=models.DateTimeField(null=True),
        ),
        migrations.AddField(
            model_name="job",
            name="jitter_seconds",
            field=models.PositiveIntegerField(db_default=0),
        ),
        migrations.AddField(
            model_name="job",
            name="max_concurrency",
            field=models.PositiveSmallIntegerField(null=True),
        ),
        migrations.AddField(
            model_name="job",
            name="misfire_max_runs",
            field=models.PositiveSmallIntegerField(db_default=100),
        ),
        migrations.AddField(
            model_name="job",
            name="misfire_pace_seconds",
            field=models.PositiveIntegerField(db_default=1),
        ),
        migrations.AddField(
            model_name="job",
            name="starts_at",
            field=models.DateTimeField(null=True),
        ),
        migrations.AlterField(
            model_name="job",
            name="misfire",
            field=models.CharField(
                choices=[("fire_once", "Fire Once"), ("fire_all", "Fire All"), ("skip", "Skip")],
                db_default="fire_once",
                max_length=10,
            ),
        ),
        migrations.AlterField(
            model_name="job",
            name="overlap",
            field=models.CharField(
                choices=[("skip", "Skip"), ("queue", "Queue"), ("allow", "Allow"), ("replace", "Replace")],
                db_default="skip",
                max_length=10,
            ),
        ),
        migrations.AddIndex(
            model_name="cursor",
            index=models.Index(
                condition=models.Q(("next_run_at__isnull", False)),
                fields=["lane", "next_run_at"],
                name="cursor_due",
            ),
        ),
        migrations.AddField(
            model_name="calendar",
            name="tenant",
            field=models.ForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="tenants.tenant",
            ),
        ),
        migrations.AddField(
            model_name="job",
            name="calendar",
            field=models.ForeignKey(
                db_constraint=False,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="jobs.calendar",
            ),
        ),
        migrations.AddConstraint(
            model_name="calendar",
            constraint=models.UniqueConstraint(fields=("tenant", "name"), name="calendar_one_per_name"),
        ),
        migrations.AddConstraint(
            model_name="calendar",
            constraint=models.UniqueConstraint(fields=("tenant", "id"), name="calendar_tenant_id"),
        ),
        protect("jobs_calendar"),
        migrations.RunSQL(CALENDAR_OF_TENANT, "ALTER TABLE jobs_job DROP CONSTRAINT calendar_of_tenant"),
        migrations.RunSQL(FILL_CURSORS, migrations.RunSQL.noop),
    ]
