"""What an execution's tenant and job have to do with each other is checked once per statement, not once per row.

A foreign key took a lock on each job whenever it was dispatched: a fifth of the cost of an insert, and a write to the
job's page. The trigger asks the same of all rows of a statement at once, and locks nothing. Jobs are never deleted
(`deleted_at`), so nothing can go away underneath. It counts in a scalar sub-select: a join would scan the jobs in a
session that plans without nested loops.
"""

from django.db import migrations

CHECK = """
ALTER TABLE executions_execution DROP CONSTRAINT execution_of_job_of_tenant;
CREATE FUNCTION jobs_refuse_strangers() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (
        SELECT FROM made
        WHERE (SELECT count(*) FROM public.jobs_job AS job WHERE job.id = made.job_id AND job.tenant_id = made.tenant_id) = 0
    ) THEN
        RAISE foreign_key_violation USING
            MESSAGE = 'an execution is not of a job of its tenant',
            CONSTRAINT = 'execution_of_job_of_tenant', TABLE = 'executions_execution';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER execution_of_job_of_tenant AFTER INSERT ON executions_execution
    REFERENCING NEW TABLE AS made FOR EACH STATEMENT EXECUTE FUNCTION jobs_refuse_strangers();
CREATE FUNCTION jobs_refuse_moves() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE foreign_key_violation USING
        MESSAGE = 'an execution stays with its job and its tenant',
        CONSTRAINT = 'execution_of_job_of_tenant', TABLE = 'executions_execution';
END $$;
CREATE TRIGGER execution_stays_with_job BEFORE UPDATE OF tenant_id, job_id ON executions_execution
    FOR EACH ROW WHEN (OLD.tenant_id <> NEW.tenant_id OR OLD.job_id <> NEW.job_id)
    EXECUTE FUNCTION jobs_refuse_moves();
"""
KEY = """
DROP TRIGGER execution_stays_with_job ON executions_execution;
DROP TRIGGER execution_of_job_of_tenant ON executions_execution;
DROP FUNCTION jobs_refuse_moves();
DROP FUNCTION jobs_refuse_strangers();
ALTER TABLE executions_execution ADD CONSTRAINT execution_of_job_of_tenant FOREIGN KEY (tenant_id, job_id)
    REFERENCES jobs_job (tenant_id, id);
"""


class Migration(migrations.Migration):
    dependencies = [
        ("jobs", "0006_policies"),
        ("executions", "0007_fair_queue"),
    ]

    operations = [migrations.RunSQL(CHECK, KEY)]
