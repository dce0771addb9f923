"""A queue in virtual time: ranks, caps, and what quotas were charged. Rows that wait get a rank from the next worker."""

import django.db.models.deletion
from django.db import migrations, models

from apps.tenants.row_security import protect


class Migration(migrations.Migration):
    dependencies = [
        ("executions", "0006_retries"),
        ("tenants", "0006_quotas"),
    ]

    operations = [
        migrations.CreateModel(
            name="Usage",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("period", models.CharField(choices=[("minute", "Minute"), ("day", "Day")], max_length=10)),
                ("begins", models.DateTimeField()),
                (
                    "by",
                    models.CharField(
                        choices=[("schedule", "Schedule"), ("request", "Request")], max_length=10
                    ),
                ),
                ("n", models.IntegerField()),
            ],
            options={
                "verbose_name_plural": "usage",
            },
        ),
        migrations.RemoveConstraint(
            model_name="execution",
            name="execution_one_per_tick",
        ),
        migrations.RemoveIndex(
            model_name="execution",
            name="execution_to_claim",
        ),
        migrations.RemoveIndex(
            model_name="execution",
            name="execution_next_due",
        ),
        migrations.RemoveIndex(
            model_name="execution",
            name="execution_of_job",
        ),
        migrations.AddField(
            model_name="execution",
            name="max_concurrency",
            field=models.SmallIntegerField(null=True),
        ),
        migrations.AddField(
            model_name="execution",
            name="rank",
            field=models.BigIntegerField(null=True),
        ),
        migrations.AddField(
            model_name="outcomenote",
            name="gone",
            field=models.BooleanField(db_default=False),
        ),
        migrations.AlterField(
            model_name="skip",
            name="reason",
            field=models.CharField(
                choices=[
                    ("overlap", "Overlap"),
                    ("misfire", "Misfire"),
                    ("paused", "Paused"),
                    ("quota", "Quota"),
                    ("window", "Window"),
                    ("edited", "Edited"),
                    ("cool_off", "Cool Off"),
                ],
                max_length=20,
            ),
        ),
        migrations.AddIndex(
            model_name="execution",
            index=models.Index(
                condition=models.Q(("rank__isnull", False), ("state", "pending")),
                fields=["rank", "-priority", "id"],
                name="execution_to_claim",
            ),
        ),
        migrations.AddIndex(
            model_name="execution",
            index=models.Index(
                condition=models.Q(("rank__isnull", False), ("state", "pending")),
                fields=["tenant", "-rank"],
                name="execution_of_tenant",
            ),
        ),
        migrations.AddIndex(
            model_name="execution",
            index=models.Index(
                condition=models.Q(("rank", None), ("state", "pending")),
                fields=["run_at"],
                name="execution_to_rank",
            ),
        ),
        migrations.AddIndex(
            model_name="execution",
            index=models.Index(
                condition=models.Q(("state", "leased")), fields=["tenant", "job_id"], name="execution_running"
            ),
        ),
        migrations.AddConstraint(
            model_name="execution",
            constraint=models.UniqueConstraint(
                fields=("job_id", "scheduled_for", "kind", "retry_of"),
                name="execution_one_per_tick",
                nulls_distinct=False,
            ),
        ),
        migrations.AddField(
            model_name="usage",
            name="tenant",
            field=models.ForeignKey(
                db_constraint=False,
                db_index=False,
                on_delete=django.db.models.deletion.DO_NOTHING,
                related_name="+",
                to="tenants.tenant",
            ),
        ),
        migrations.AddConstraint(
            model_name="usage",
            constraint=models.UniqueConstraint(
                fields=("tenant", "period", "begins", "by"), name="usage_cell"
            ),
        ),
        protect("executions_usage"),
    ]
