-- What moves when a tenant's jobs change: the latest edits (index job_changed), outcomes that the leader has not told the
-- cursors yet (they are few, and have no index), the latest skips (skip_of_tenant), and the jobs that need somebody
-- (cursor_needy, job_gone). Sets are compared, not maxima: what commits late may have an earlier time or a smaller id.
WITH needy AS MATERIALIZED (
    (
        SELECT cursor.job_id, cursor.consecutive_failures, cursor.cool_off_until, cursor.quarantined_at
        FROM jobs_cursor AS cursor
        JOIN jobs_job AS job ON job.id = cursor.job_id
        WHERE cursor.tenant_id = %(tenant_id)s AND job.tenant_id = %(tenant_id)s AND job.deleted_at IS NULL
          AND (
              cursor.consecutive_failures >= %(in_a_row)s OR cursor.cool_off_until > (SELECT clock_timestamp())
              OR cursor.quarantined_at IS NOT NULL
          )
        ORDER BY cursor.job_id
        LIMIT %(looked_at)s
    )
    UNION ALL
    (
        SELECT job.id, NULL, NULL, NULL
        FROM jobs_job AS job
        WHERE job.tenant_id = %(tenant_id)s AND job.deleted_at IS NULL
          AND job.switch = 'paused' AND job.pause_reason = %(gone)s
        ORDER BY job.id
        LIMIT %(looked_at)s
    )
)
SELECT
    (SELECT count(DISTINCT job_id) FROM needy),
    (
        SELECT bit_xor(hashtextextended(concat_ws(' ', job_id, consecutive_failures, cool_off_until, quarantined_at), 0))
        FROM needy
    ),
    (
        SELECT bit_xor(hashint8extended(id, version))
        FROM (
            SELECT id, version FROM jobs_job
            WHERE tenant_id = %(tenant_id)s
            ORDER BY updated_at DESC
            LIMIT %(latest)s
        ) AS edited
    ),
    (SELECT bit_xor(hashint8(id)) FROM executions_outcomenote WHERE tenant_id = %(tenant_id)s),
    (
        SELECT bit_xor(hashint8(id))
        FROM (
            SELECT id FROM executions_skip WHERE tenant_id = %(tenant_id)s ORDER BY last DESC LIMIT %(latest)s
        ) AS skipped
    )
