-- Extend the leases that are still ours; the tokens returned are those.
WITH given AS MATERIALIZED (
    SELECT * FROM json_to_recordset(%(batch)s::json) AS g (id bigint, token uuid)
)
UPDATE executions_execution AS e
SET lease_expires_at = clock_timestamp() + %(lease_seconds)s * interval '1 second'
FROM given AS g
WHERE e.id = ANY (ARRAY(SELECT id FROM given)) AND e.id = g.id AND e.state <> 'pending' AND e.lease_token = g.token
RETURNING e.lease_token::text
