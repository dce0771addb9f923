"""What on-call looks at over all tenants, found by its time: the counters of the last hours, and skips."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("executions", "0013_queue_clock"),
        ("tenants", "0006_quotas"),
    ]

    operations = [
        migrations.AddIndex(
            model_name="counter",
            index=models.Index(fields=["hour"], name="counter_of_hour"),
        ),
        migrations.AddIndex(
            model_name="skip",
            index=models.Index(fields=["created_at"], name="skip_by_age"),
        ),
    ]
