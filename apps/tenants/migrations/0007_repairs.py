"""Runs of reconcile in the audit trail, found by their time."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("tenants", "0006_quotas"),
    ]

    operations = [
        migrations.AddIndex(
            model_name="auditentry",
            index=models.Index(
                fields=["-at"],
                condition=models.Q(action__in=["reconcile.run", "platforms.reconcile"]),
                name="audit_of_repairs",
            ),
        ),
    ]
