-- Delete a batch of a tenant's ledger of one partition, outputs and attempts too: those have no index by tenant and are found
-- by the executions they belong to. In the tenant's scope.
WITH doomed AS MATERIALIZED (
    SELECT id
    FROM executions_executionlog
    WHERE tenant_id = %(tenant_id)s AND scheduled_for >= %(begins)s AND scheduled_for < %(ends)s
    LIMIT %(batch)s
    FOR UPDATE SKIP LOCKED
), outputs AS (
    DELETE FROM executions_executionoutput
    WHERE execution_id = ANY (ARRAY(SELECT id FROM doomed)) AND tenant_id = %(tenant_id)s
      AND scheduled_for >= %(begins)s AND scheduled_for < %(ends)s
), attempts AS (
    DELETE FROM executions_attempt
    WHERE execution_id = ANY (ARRAY(SELECT id FROM doomed)) AND tenant_id = %(tenant_id)s
      AND scheduled_for >= %(begins)s AND scheduled_for < %(ends)s
), gone AS (
    DELETE FROM executions_executionlog
    WHERE id = ANY (ARRAY(SELECT id FROM doomed)) AND tenant_id = %(tenant_id)s
      AND scheduled_for >= %(begins)s AND scheduled_for < %(ends)s
    RETURNING id
)
SELECT count(*) FROM gone
