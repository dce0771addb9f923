"""How alerts stand. Without row security: nothing of a tenant's is in it."""

from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    dependencies = []

    operations = [
        migrations.CreateModel(
            name="AlertState",
            fields=[
                ("name", models.CharField(max_length=60, primary_key=True, serialize=False)),
                ("pending_since", models.DateTimeField(null=True)),
                ("firing_since", models.DateTimeField(null=True)),
                ("value", models.FloatField(null=True)),
                ("evaluated_at", models.DateTimeField(null=True)),
                ("mailed", models.BooleanField(db_default=False)),
            ],
        ),
    ]
