"""What a person who sees to failures asks: which ones a job had of late, and which nobody has had run again yet.

Both indexes are partial, and successes of a schedule, which are most of the ledger, enter neither.
"""

from django.db import migrations

INDEXES = """
CREATE INDEX executionlog_of_retried ON executions_executionlog (retry_of) WHERE retry_of IS NOT NULL;
CREATE INDEX executionlog_failures_of_job ON executions_executionlog (job_id, scheduled_for DESC, id DESC)
    WHERE status = 'failed';
"""


class Migration(migrations.Migration):
    dependencies = [("executions", "0005_history_partitions")]

    operations = [
        migrations.RunSQL(INDEXES, "DROP INDEX executionlog_of_retried, executionlog_failures_of_job"),
    ]
