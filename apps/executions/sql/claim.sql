-- Take the next executions, each under a token of its own (64 random bits of this claim, and its id), as far as caps allow:
-- of a job (its row says how many), of a tenant (its plan says; none where it is suspended). What runs is what is leased,
-- counted here and now. Two of these at once would both count and both take, so they run one after the other, under an
-- advisory lock.
--
-- It walks no more than a window of the queue from a position on, so that it costs the same however many rows wait
-- behind a cap. The answer is one small row, lest the server has to wait, holding the lock, for a client that does not
-- read; the ids are left in a setting for `claimed`.
WITH waiting AS MATERIALIZED (
    SELECT
        id, tenant_id, job_id, max_concurrency, rank, priority,
        row_number() OVER (ORDER BY rank, priority DESC, id) AS place
    FROM executions_execution
    WHERE state = 'pending' AND rank IS NOT NULL AND rank >= %(after_rank)s
      AND (
          rank > %(after_rank)s OR priority < %(after_priority)s
          OR (priority = %(after_priority)s AND id > %(after_id)s)
      )
    ORDER BY rank, priority DESC, id
    LIMIT %(window)s
), running AS MATERIALIZED (
    SELECT tenant_id, job_id, count(*) AS n
    FROM executions_execution
    WHERE state = 'leased' AND tenant_id = ANY (ARRAY(SELECT DISTINCT tenant_id FROM waiting))
    GROUP BY tenant_id, job_id
), cap AS MATERIALIZED (
    SELECT
        tenant.id AS tenant_id,
        CASE WHEN tenant.status = 'active' THEN plan.max_concurrency - coalesce(busy.n, 0) ELSE 0 END AS places
    FROM tenants_tenant AS tenant
    JOIN tenants_plan AS plan ON plan.id = tenant.plan_id
    LEFT JOIN (
        SELECT tenant_id, sum(n)::bigint AS n FROM running GROUP BY tenant_id
    ) AS busy ON busy.tenant_id = tenant.id
    WHERE tenant.id = ANY (ARRAY(SELECT DISTINCT tenant_id FROM waiting))
      AND (plan.max_concurrency > 0 OR tenant.status <> 'active')
), within_job AS (
    SELECT id, tenant_id, place
    FROM waiting
    WHERE max_concurrency IS NULL
    UNION ALL
    SELECT next.id, next.tenant_id, next.place
    FROM (
        SELECT *, row_number() OVER (PARTITION BY job_id ORDER BY place) AS nth
        FROM waiting
        WHERE max_concurrency IS NOT NULL
    ) AS next
    LEFT JOIN running ON running.tenant_id = next.tenant_id AND running.job_id = next.job_id
    WHERE next.nth + coalesce(running.n, 0) <= next.max_concurrency
), free AS MATERIALIZED (
    SELECT next.id
    FROM (SELECT *, row_number() OVER (PARTITION BY tenant_id ORDER BY place) AS nth FROM within_job) AS next
    LEFT JOIN cap ON cap.tenant_id = next.tenant_id
    WHERE cap.places IS NULL OR next.nth <= cap.places
    ORDER BY next.place
    LIMIT %(limit)s
), chosen AS MATERIALIZED (
    SELECT id
    FROM executions_execution
    WHERE id = ANY (ARRAY(SELECT id FROM free)) AND state <> 'leased'
    FOR UPDATE SKIP LOCKED
), taken AS (
    UPDATE executions_execution
    SET state = 'leased',
        attempt = attempt + 1,
        lease_token = (%(token)s || lpad(to_hex(id), 16, '0'))::uuid,
        leased_at = clock_timestamp(),
        lease_expires_at = clock_timestamp() + %(lease_seconds)s * interval '1 second',
        worker = %(worker)s
    WHERE id = ANY (ARRAY(SELECT id FROM chosen))
    RETURNING id
)
SELECT
    set_config('scheduler.claimed', coalesce(array_agg(id)::text, '{}'), false) IS NULL,
    (SELECT count(*) FROM waiting),
    (SELECT ARRAY[rank, priority, id] FROM waiting ORDER BY place DESC LIMIT 1)
FROM taken
