-- Hand back leases whose execution did not run to its end. Where the target had not been called (no `started`), it is as
-- if nobody had claimed it; where it had, that was an attempt, which is recorded and of which none is used up.
WITH given AS MATERIALIZED (
    SELECT *
    FROM json_to_recordset(%(batch)s::json) AS g (id bigint, token uuid, started float8, finished float8)
), back AS MATERIALIZED (
    UPDATE executions_execution AS e
    SET state = 'pending',
        attempt = attempt - (g.started IS NULL)::integer, released = released + (g.started IS NOT NULL)::integer,
        lease_token = NULL, lease_expires_at = NULL, leased_at = NULL, worker = NULL
    FROM given AS g
    WHERE e.id = ANY (ARRAY(SELECT id FROM given)) AND e.id = g.id AND e.state <> 'pending' AND e.lease_token = g.token
    RETURNING e.id, e.scheduled_for, e.tenant_id, e.attempt, g.token, g.started, g.finished
), tried AS (
    INSERT INTO executions_attempt (
        execution_id, scheduled_for, tenant_id, attempt, worker, lease_token, started_at, finished_at, outcome,
        error_message
    )
    SELECT
        id, scheduled_for, tenant_id, attempt, %(worker)s, token, to_timestamp(started), to_timestamp(finished),
        'released', 'the worker was stopped'
    FROM back
    WHERE started IS NOT NULL
), told AS (
    SELECT pg_notify('scheduler_work', '') FROM back LIMIT 1
)
SELECT (SELECT count(*) FROM given), (SELECT count(*) FROM back), (SELECT count(*) FROM told)
