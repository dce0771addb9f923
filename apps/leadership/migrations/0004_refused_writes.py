"""Writes that were refused are on record. And only one term can be open, by the database's own word: the model of the
protocol (docs/model) found that a session which loses its lock while it opens a term, and lives on, could open a second.
"""

import django.db.models.functions.datetime
from django.db import migrations, models

CLOSE_OTHERS = """
UPDATE leadership_leaderterm SET ended_at = clock_timestamp(), end_reason = 'superseded'
WHERE ended_at IS NULL AND epoch < (SELECT max(epoch) FROM leadership_leaderterm WHERE ended_at IS NULL)
"""


class Migration(migrations.Migration):
    dependencies = [("leadership", "0003_step_down")]

    operations = [
        migrations.CreateModel(
            name="RefusedWrite",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                (
                    "actor",
                    models.CharField(choices=[("leader", "Leader"), ("worker", "Worker")], max_length=10),
                ),
                ("name", models.CharField(max_length=200)),
                (
                    "what",
                    models.CharField(
                        choices=[
                            ("term_over", "a leader's transaction after its term"),
                            ("stale_lease", "the end of a run whose lease had gone"),
                            ("second_end", "the end of a tick that had ended before"),
                        ],
                        max_length=20,
                    ),
                ),
                ("count", models.IntegerField()),
                ("epoch", models.BigIntegerField(null=True)),
            ],
            options={"indexes": [models.Index(fields=["at"], name="refused_by_age")]},
        ),
        migrations.RunSQL(CLOSE_OTHERS, migrations.RunSQL.noop),
        migrations.AddConstraint(
            model_name="leaderterm",
            constraint=models.UniqueConstraint(
                condition=models.Q(("ended_at", None)),
                fields=("ended_at",),
                name="term_one_open",
                nulls_distinct=False,
            ),
        ),
    ]
