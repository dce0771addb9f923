"""A run that its worker was stopped in is an attempt on record, which uses none up: the row says how many those were.

A constant default, so no row is rewritten. A release without the column counts such an attempt as a failure; backwards,
those who wait or run get one more instead. The record of the attempts stays.
"""

from django.db import migrations, models

USES_NONE_UP = "UPDATE executions_execution SET max_attempts = max_attempts + released WHERE released > 0"


class Migration(migrations.Migration):
    dependencies = [("executions", "0010_failures")]

    operations = [
        migrations.AddField("execution", "released", models.SmallIntegerField(db_default=0)),
        migrations.RunSQL(migrations.RunSQL.noop, USES_NONE_UP),
    ]
