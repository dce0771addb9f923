"""What a plan allows to run: at once, in a minute, in a day."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("tenants", "0005_key_rotation"),
    ]

    operations = [
        migrations.AddField(
            model_name="plan",
            name="executions_per_day",
            field=models.PositiveIntegerField(default=0),
        ),
        migrations.AddField(
            model_name="plan",
            name="executions_per_minute",
            field=models.PositiveIntegerField(default=0),
        ),
        migrations.AddField(
            model_name="plan",
            name="max_concurrency",
            field=models.PositiveIntegerField(default=50),
        ),
    ]
