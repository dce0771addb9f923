-- How many of these leases were taken back from their worker. That of a cancelled execution has gone as well, by a person's
-- will.
WITH given AS MATERIALIZED (
    SELECT *
    FROM json_to_recordset(%(batch)s::json) AS g (id bigint, token uuid, scheduled_for timestamptz)
)
SELECT count(*)
FROM executions_attempt AS a
JOIN given AS g ON g.id = a.execution_id AND g.token = a.lease_token
WHERE a.execution_id = ANY (ARRAY(SELECT id FROM given)) AND a.outcome = 'lost'
  AND a.scheduled_for BETWEEN (SELECT min(scheduled_for) FROM given) AND (SELECT max(scheduled_for) FROM given)
