"""The ledger's row is also the record of the last attempt: how that ended, and under which lease. Rows from before have
none of it, and their last attempts have rows of their own.

And indexes: one less to write for each claim, one that cannot be mistaken for another. Of the ledger's, the one that keeps
a tick from being written twice takes in the other rows as well, each under its own id; so it is in order of a job's times
and does the work of a second one.
"""

from django.db import migrations, models

ADD = "ALTER TABLE executions_executionlog ADD COLUMN outcome varchar(10), ADD COLUMN lease_token uuid"
# Attempts that only the ledger knows would be gone with the columns.
KEEP = """
INSERT INTO executions_attempt (
    execution_id, scheduled_for, tenant_id, attempt, worker, lease_token, started_at, finished_at, outcome, error_message
)
SELECT id, scheduled_for, tenant_id, attempts, worker, lease_token, started_at, finished_at, outcome, error_message
FROM executions_executionlog
WHERE lease_token IS NOT NULL
ON CONFLICT DO NOTHING;
ALTER TABLE executions_executionlog DROP COLUMN outcome, DROP COLUMN lease_token;
"""
MERGE = """
CREATE UNIQUE INDEX new_executionlog_one_per_tick ON executions_executionlog
    (job_id, scheduled_for, (CASE kind WHEN 'scheduled' THEN 0 WHEN 'backfill' THEN -1 ELSE id END))
    WHERE job_id IS NOT NULL;
DROP INDEX executionlog_of_job, executionlog_one_per_tick;
ALTER INDEX new_executionlog_one_per_tick RENAME TO executionlog_one_per_tick;
"""
PART = """
DROP INDEX executionlog_one_per_tick;
CREATE UNIQUE INDEX executionlog_one_per_tick ON executions_executionlog (job_id, scheduled_for, kind)
    WHERE kind IN ('scheduled', 'backfill');
CREATE INDEX executionlog_of_job ON executions_executionlog (job_id, scheduled_for DESC, id DESC) WHERE job_id IS NOT NULL;
"""


class Migration(migrations.Migration):
    dependencies = [("executions", "0007_fair_queue")]

    operations = [
        migrations.RunSQL(ADD, KEEP),
        migrations.RunSQL(MERGE, PART),
        migrations.RemoveIndex(model_name="execution", name="execution_to_reap"),
        migrations.RemoveIndex(model_name="execution", name="execution_of_tenant"),
        migrations.AddIndex(
            model_name="execution",
            index=models.Index(
                models.F("tenant"),
                models.F("rank").desc(nulls_last=True),
                condition=models.Q(("state", "pending")),
                name="execution_of_tenant",
            ),
        ),
    ]
