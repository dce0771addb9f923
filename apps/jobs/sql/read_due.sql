-- What is due, in groups of jobs that are planned alike: the same schedule, policies and standing. Always at least one row: with
-- nothing due it holds the clock and the next due time alone.
--
-- Each lane (index cursor_due) is read on its own, longest due first, and the chunk is filled from all of them in turn. A
-- lane is the number of digits of a job's place among its tenant's, so however many jobs one tenant has due, they stand in the
-- way of nobody's first nine, nor of anybody's tenth to ninety-ninth.
--
-- The clock is read once, as a scalar sub-select: called per row it could not bound the scans. A job, its tenant and its
-- calendar are looked up by key from each cursor (OFFSET 0 keeps the planner from joining), whatever the statistics say.
WITH clock AS MATERIALIZED (
    SELECT clock_timestamp() AS now
), due AS MATERIALIZED (
    SELECT due.*, row_number() OVER (PARTITION BY lane.lane ORDER BY due.next_run_at) AS place
    FROM generate_series(1, 8) AS lane (lane)
    CROSS JOIN LATERAL (
        SELECT cursor.job_id, cursor.tenant_id, cursor.version, cursor.next_run_at, cursor.last_scheduled_for,
            cursor.cool_off_until
        FROM jobs_cursor AS cursor
        WHERE cursor.lane = lane.lane AND cursor.next_run_at <= (SELECT now FROM clock)
        ORDER BY cursor.next_run_at
        LIMIT %(chunk)s
    ) AS due
    ORDER BY place
    LIMIT %(chunk)s
), tenant AS MATERIALIZED (
    SELECT
        tenant.id, tenant.status <> 'active' AS suspended,
        CASE WHEN greatest(plan.executions_per_minute, plan.executions_per_day) > 0 THEN tenant.id END AS limited,
        plan.executions_per_minute AS per_minute, plan.executions_per_day AS per_day
    FROM tenants_tenant AS tenant
    JOIN tenants_plan AS plan ON plan.id = tenant.plan_id
    WHERE tenant.id = ANY (ARRAY(SELECT DISTINCT tenant_id FROM due))
      AND (tenant.status <> 'active' OR plan.executions_per_minute > 0 OR plan.executions_per_day > 0)
)
SELECT
    clock.now,
    (
        SELECT min(following.next_run_at)
        FROM generate_series(1, 8) AS lane (lane)
        CROSS JOIN LATERAL (
            SELECT cursor.next_run_at
            FROM jobs_cursor AS cursor
            WHERE cursor.lane = lane.lane AND cursor.next_run_at > (SELECT now FROM clock)
            ORDER BY cursor.next_run_at
            LIMIT 1
        ) AS following
    ) AS next_due,
    jobs.*
FROM clock
LEFT JOIN (
    SELECT
        min(due.place) AS place, count(*) AS n,
        string_agg(due.job_id::text, ',') AS job_ids, string_agg(due.version::text, ',') AS versions,
        due.next_run_at, due.last_scheduled_for, due.cool_off_until,
        tenant.limited, tenant.per_minute, tenant.per_day, tenant.suspended,
        job.*,
        calendar.*
    FROM due
    CROSS JOIN LATERAL (
        SELECT
            job.switch = 'active' AND job.deleted_at IS NULL AS active,
            job.trigger_type, job.cron_expression, job.timezone, job.interval_seconds, job.anchor_at, job.run_date,
            job.dst_gap, job.dst_overlap, job.starts_at, job.ends_at, job.jitter_seconds, job.misfire,
            job.misfire_grace_seconds, job.misfire_max_runs, job.misfire_pace_seconds, job.overlap, job.calendar_id
        FROM jobs_job AS job
        WHERE job.id = due.job_id
        OFFSET 0
    ) AS job
    LEFT JOIN tenant ON tenant.id = due.tenant_id
    LEFT JOIN LATERAL (
        SELECT calendar.name AS calendar_name, calendar.timezone AS calendar_timezone, calendar.blackouts
        FROM jobs_calendar AS calendar
        WHERE calendar.id = job.calendar_id
        OFFSET 0
    ) AS calendar ON true
    GROUP BY
        due.next_run_at, due.last_scheduled_for, due.cool_off_until, tenant.limited, tenant.per_minute, tenant.per_day,
        tenant.suspended, job.active, job.trigger_type, job.cron_expression, job.timezone, job.interval_seconds,
        job.anchor_at, job.run_date, job.dst_gap, job.dst_overlap, job.starts_at, job.ends_at, job.jitter_seconds,
        job.misfire, job.misfire_grace_seconds, job.misfire_max_runs, job.misfire_pace_seconds, job.overlap,
        job.calendar_id, calendar.calendar_name, calendar.calendar_timezone, calendar.blackouts
) AS jobs ON true
ORDER BY jobs.place
