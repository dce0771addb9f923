-- Put failed executions back to wait for their next attempt, and record the one that failed.
WITH given AS MATERIALIZED (
    SELECT *
    FROM json_to_recordset(%(batch)s::json) AS g (
        id bigint, token uuid, outcome text, error_message text, started float8, finished float8, delay float8
    )
), again AS MATERIALIZED (
    UPDATE executions_execution AS e
    SET state = 'pending', run_at = clock_timestamp() + g.delay * interval '1 second', rank = NULL,
        lease_token = NULL, lease_expires_at = NULL, leased_at = NULL, worker = NULL
    FROM given AS g
    WHERE e.id = ANY (ARRAY(SELECT id FROM given)) AND e.id = g.id AND e.state <> 'pending' AND e.lease_token = g.token
    RETURNING
        e.id, e.scheduled_for, e.tenant_id, e.attempt, g.token, g.started, g.finished, g.outcome, g.error_message
), tried AS (
    INSERT INTO executions_attempt (
        execution_id, scheduled_for, tenant_id, attempt, worker, lease_token, started_at, finished_at, outcome,
        error_message
    )
    SELECT
        id, scheduled_for, tenant_id, attempt, %(worker)s, token, to_timestamp(started), to_timestamp(finished),
        outcome, error_message
    FROM again
)
SELECT (SELECT count(*) FROM given), (SELECT count(*) FROM again)
