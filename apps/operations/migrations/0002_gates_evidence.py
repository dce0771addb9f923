"""Results of the test matrix, for the gates of releases without a checkout. Nothing of a tenant's is in it."""

import django.db.models.functions.datetime
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("operations", "0001_acknowledgements")]

    operations = [
        migrations.CreateModel(
            name="Evidence",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("row", models.CharField(max_length=20)),
                ("commit", models.CharField(max_length=40)),
                ("clean_tree", models.BooleanField()),
                ("complete", models.BooleanField()),
                ("passed", models.PositiveIntegerField()),
                ("failed", models.PositiveIntegerField()),
                ("skipped", models.PositiveIntegerField()),
                ("seconds", models.FloatField()),
                ("postgres", models.CharField(blank=True, max_length=20)),
                ("ran_at", models.DateTimeField()),
                ("recorded_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
            ],
            options={
                "verbose_name_plural": "evidence",
                "indexes": [models.Index(fields=["row", "-ran_at"], name="evidence_of_row")],
            },
        ),
    ]
