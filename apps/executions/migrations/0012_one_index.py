"""The ledger's one index a tick, for databases on which 0008 ran before it had a part in it: there it is still two, and
what ends an execution asks for the one.

Nothing where it is as 0008 makes it. Not to be undone by itself: 0008 goes back from the one.
"""

from django.db import migrations

MERGE = """
DO $$
BEGIN
    IF (SELECT indexdef FROM pg_indexes WHERE schemaname = 'public' AND indexname = 'executionlog_one_per_tick')
        LIKE '%CASE kind%' THEN
        RETURN;
    END IF;
    CREATE UNIQUE INDEX new_executionlog_one_per_tick ON executions_executionlog
        (job_id, scheduled_for, (CASE kind WHEN 'scheduled' THEN 0 WHEN 'backfill' THEN -1 ELSE id END))
        WHERE job_id IS NOT NULL;
    DROP INDEX IF EXISTS executionlog_of_job;
    DROP INDEX executionlog_one_per_tick;
    ALTER INDEX new_executionlog_one_per_tick RENAME TO executionlog_one_per_tick;
END $$
"""


class Migration(migrations.Migration):
    dependencies = [("executions", "0011_released")]

    operations = [migrations.RunSQL(MERGE, migrations.RunSQL.noop)]
