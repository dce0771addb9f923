"""Who has read which runbook. The machine and on-call may read and add; nobody may change or delete."""

import django.db.models.functions.datetime
from django.db import migrations, models

from apps.tenants.row_security import ALL_TENANTS

TABLE = "operations_acknowledgement"
PROTECT = f"""
ALTER TABLE {TABLE} ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY operators_read ON {TABLE} FOR SELECT USING ({ALL_TENANTS});
CREATE POLICY operators_append ON {TABLE} FOR INSERT WITH CHECK ({ALL_TENANTS});
"""


class Migration(migrations.Migration):
    initial = True

    dependencies = []

    operations = [
        migrations.CreateModel(
            name="Acknowledgement",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("document", models.CharField(max_length=100)),
                ("sha256", models.CharField(max_length=64)),
                ("actor", models.CharField(max_length=200)),
                ("at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
            ],
            options={
                "indexes": [models.Index(fields=["document", "-id"], name="acknowledged_document")],
            },
        ),
        migrations.RunSQL(PROTECT, migrations.RunSQL.noop),
    ]
