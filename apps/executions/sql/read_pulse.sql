-- What moves when executions of a tenant, or of one of its users (`strings`, `integers`: all that stands for the user), start
-- or end: the leases with their attempts, and how many have finished, folded or not. What waits is counted to a bound, and
-- so is what is looked at for it; which indexes: execution_running, execution_of_tenant, tally_cell. Deltas have none: they
-- are what the leader has not folded in this second.
WITH leased AS MATERIALIZED (
    SELECT id, attempt
    FROM executions_execution
    WHERE state = 'leased' AND tenant_id = %(tenant_id)s
      AND (
          %(everybody)s OR user_id = ANY (%(strings)s::text[])
          OR (user_id IS NULL AND legacy_user_id = ANY (%(integers)s::bigint[]))
      )
), pending AS MATERIALIZED (
    SELECT user_id, legacy_user_id, run_at
    FROM executions_execution
    WHERE state = 'pending'  -- no more: see the index execution_of_tenant
      AND tenant_id = %(tenant_id)s
    ORDER BY rank DESC NULLS LAST
    LIMIT %(looked_at)s
), waiting AS (
    SELECT 1
    FROM pending
    WHERE run_at <= (SELECT clock_timestamp())
      AND (
          %(everybody)s OR user_id = ANY (%(strings)s::text[])
          OR (user_id IS NULL AND legacy_user_id = ANY (%(integers)s::bigint[]))
      )
    LIMIT %(counted)s
), finished AS (
    SELECT status, n
    FROM executions_tally
    WHERE tenant_id = %(tenant_id)s
      AND CASE WHEN %(everybody)s THEN user_key IS NULL ELSE user_key = ANY (%(strings)s::text[]) END
    UNION ALL
    SELECT status, n
    FROM executions_delta
    WHERE tenant_id = %(tenant_id)s AND (%(everybody)s OR user_key = ANY (%(strings)s::text[]))
)
SELECT
    (SELECT count(*) FROM leased),
    (SELECT count(*) FROM waiting),
    (SELECT bit_xor(hashint8extended(id, attempt)) FROM leased),
    (SELECT coalesce(sum(n), 0)::bigint FROM finished),
    (SELECT coalesce(sum(n) FILTER (WHERE status = 'failed'), 0)::bigint FROM finished),
    clock_timestamp()
