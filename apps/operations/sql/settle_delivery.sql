-- What became of a try: sent, given up, or to be tried again after `retry_in` seconds. Only by who holds the lease. What
-- has a try no more before `give_up` seconds of age is given up as well. Returns the state that it has now.
UPDATE operations_delivery
SET state = outcome.state,
    due_at = clock_timestamp() + make_interval(secs => %(retry_in)s::float8),
    lease_token = NULL,
    finished_at = CASE WHEN outcome.state <> 'pending' THEN clock_timestamp() END,
    content = CASE WHEN outcome.state <> 'pending' THEN '{}'::jsonb ELSE content END
FROM (
    SELECT id, CASE
        WHEN %(state)s::text = 'pending' AND clock_timestamp() + make_interval(secs => %(retry_in)s::float8)
             > created_at + make_interval(secs => %(give_up)s::float8)
        THEN 'given_up' ELSE %(state)s::text END AS state
    FROM operations_delivery
    WHERE id = %(id)s
) AS outcome
WHERE operations_delivery.id = outcome.id
  AND operations_delivery.state = 'pending' AND lease_token = %(token)s
RETURNING outcome.state
