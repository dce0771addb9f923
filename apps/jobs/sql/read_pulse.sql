-- What moves when jobs of a tenant, or of one of its users (`strings`, `integers`: all that stands for the user), change: the
-- jobs that need somebody (indexes cursor_needy, job_gone), the latest edits (job_changed; of a user job_changed_of_user, and
-- job_of_legacy_user for those with the integer alone), how many jobs the user has, for one may be given away, outcomes that
-- the leader has not told the cursors yet (they are few, and have no index), and the latest skips (skip_of_tenant).
-- Sets are compared, not maxima: what commits late may have an earlier time or a smaller id.
WITH needy AS MATERIALIZED (
    SELECT job_id, consecutive_failures, cool_off_until, quarantined_at
    FROM jobs_cursor
    WHERE tenant_id = %(tenant_id)s
      AND (
          consecutive_failures >= %(in_a_row)s OR cool_off_until > (SELECT clock_timestamp())
          OR quarantined_at IS NOT NULL
      )
    ORDER BY job_id
    LIMIT %(looked_at)s
), gone AS MATERIALIZED (
    SELECT id
    FROM jobs_job
    WHERE tenant_id = %(tenant_id)s AND switch = 'paused' AND pause_reason = %(gone)s
    ORDER BY id
    LIMIT %(looked_at)s
), noted AS MATERIALIZED (
    SELECT id, job_id FROM executions_outcomenote WHERE tenant_id = %(tenant_id)s
), skipped AS MATERIALIZED (
    SELECT id, job_id FROM executions_skip WHERE tenant_id = %(tenant_id)s ORDER BY last DESC LIMIT %(latest)s
), seen AS MATERIALIZED (
    SELECT id, deleted_at IS NULL AS stands
    FROM jobs_job
    WHERE id = ANY (ARRAY(
        SELECT job_id FROM needy
        UNION SELECT id FROM gone
        UNION SELECT job_id FROM noted WHERE NOT %(everybody)s
        UNION SELECT job_id FROM skipped WHERE NOT %(everybody)s
    ))
      AND tenant_id = %(tenant_id)s
      AND (
          %(everybody)s OR user_id = ANY (%(strings)s::text[])
          OR (user_id IS NULL AND legacy_user_id = ANY (%(integers)s::bigint[]))
      )
), attention AS (
    SELECT id FROM seen WHERE stands AND id IN (SELECT job_id FROM needy UNION ALL SELECT id FROM gone)
)
SELECT
    (SELECT count(*) FROM attention),
    (
        SELECT bit_xor(hashtextextended(concat_ws(' ', job_id, consecutive_failures, cool_off_until, quarantined_at), 0))
        FROM needy
        JOIN attention ON attention.id = needy.job_id
    ),
    (
        SELECT bit_xor(hashint8extended(id, version))
        FROM (
            SELECT id, version FROM jobs_job
            WHERE %(everybody)s AND tenant_id = %(tenant_id)s
            ORDER BY updated_at DESC
            LIMIT %(latest)s
        ) AS edited
    ),
    (
        SELECT bit_xor(hashint8extended(edited.id, edited.version))
        FROM unnest(%(strings)s::text[]) AS form (user_id)
        CROSS JOIN LATERAL (
            SELECT id, version FROM jobs_job
            WHERE tenant_id = %(tenant_id)s AND user_id = form.user_id
            ORDER BY updated_at DESC
            LIMIT %(latest)s
        ) AS edited
    ),
    (
        SELECT bit_xor(hashint8extended(id, version))
        FROM jobs_job
        WHERE tenant_id = %(tenant_id)s AND user_id IS NULL AND legacy_user_id = ANY (%(integers)s::bigint[])
          AND deleted_at IS NULL
    ),
    (
        SELECT count(*)
        FROM jobs_job
        WHERE tenant_id = %(tenant_id)s AND user_id = ANY (%(strings)s::text[]) AND deleted_at IS NULL
    ),
    (SELECT bit_xor(hashint8(id)) FROM noted WHERE %(everybody)s OR job_id IN (SELECT id FROM seen)),
    (SELECT bit_xor(hashint8(id)) FROM skipped WHERE %(everybody)s OR job_id IN (SELECT id FROM seen))
