-- Hand back leases whose execution did not run to its end; the attempt does not count.
WITH given AS MATERIALIZED (
    SELECT * FROM json_to_recordset(%(batch)s::json) AS g (id bigint, token uuid)
), back AS MATERIALIZED (
    UPDATE executions_execution AS e
    SET state = 'pending', attempt = attempt - 1,
        lease_token = NULL, lease_expires_at = NULL, leased_at = NULL, worker = NULL
    FROM given AS g
    WHERE e.id = ANY (ARRAY(SELECT id FROM given)) AND e.id = g.id AND e.state <> 'pending' AND e.lease_token = g.token
    RETURNING e.id
), told AS (
    SELECT pg_notify('scheduler_work', '') FROM back LIMIT 1
)
SELECT (SELECT count(*) FROM given), (SELECT count(*) FROM back), (SELECT count(*) FROM told)
