"""What a pulse asks for each second, found by indexes: the jobs changed last, and those that may need somebody."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("jobs", "0008_notices"),
        ("tenants", "0008_lifecycle"),
    ]

    operations = [
        migrations.AddIndex(
            model_name="job",
            index=models.Index(fields=["tenant", "updated_at"], name="job_changed"),
        ),
        migrations.AddIndex(
            model_name="job",
            index=models.Index(fields=["tenant", "user_id", "updated_at"], name="job_changed_of_user"),
        ),
        migrations.AddIndex(
            model_name="job",
            index=models.Index(
                condition=models.Q(("pause_reason", "Its endpoint answered 410 Gone."), ("switch", "paused")),
                fields=["tenant", "id"],
                name="job_gone",
            ),
        ),
        # Last: dispatch waits for who builds an index on the cursors, and should not for the others as well.
        migrations.AddIndex(
            model_name="cursor",
            index=models.Index(
                condition=models.Q(
                    ("consecutive_failures__gte", 3),
                    ("cool_off_until__isnull", False),
                    ("quarantined_at__isnull", False),
                    _connector="OR",
                ),
                fields=["tenant", "job"],
                name="cursor_needy",
            ),
        ),
    ]
