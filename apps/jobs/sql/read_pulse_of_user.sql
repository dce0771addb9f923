-- As read_pulse, of one user's jobs (`strings`, `integers`: all that stands for the user). Index job_changed_of_user; of jobs
-- that have the integer alone, which are few, job_of_legacy_user. How many jobs there are says whether one was given away.
WITH needy AS MATERIALIZED (
    (
        SELECT cursor.job_id, cursor.consecutive_failures, cursor.cool_off_until, cursor.quarantined_at
        FROM jobs_cursor AS cursor
        JOIN jobs_job AS job ON job.id = cursor.job_id
        WHERE cursor.tenant_id = %(tenant_id)s AND job.tenant_id = %(tenant_id)s AND job.deleted_at IS NULL
          AND (
              job.user_id = ANY (%(strings)s::text[])
              OR (job.user_id IS NULL AND job.legacy_user_id = ANY (%(integers)s::bigint[]))
          )
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
          AND (
              job.user_id = ANY (%(strings)s::text[])
              OR (job.user_id IS NULL AND job.legacy_user_id = ANY (%(integers)s::bigint[]))
          )
          AND job.switch = 'paused' AND job.pause_reason = %(gone)s
        ORDER BY job.id
        LIMIT %(looked_at)s
    )
), noted AS (
    SELECT id, job_id FROM executions_outcomenote WHERE tenant_id = %(tenant_id)s
), skipped AS (
    SELECT id, job_id FROM executions_skip WHERE tenant_id = %(tenant_id)s ORDER BY last DESC LIMIT %(latest)s
)
SELECT
    (SELECT count(DISTINCT job_id) FROM needy),
    (
        SELECT bit_xor(hashtextextended(concat_ws(' ', job_id, consecutive_failures, cool_off_until, quarantined_at), 0))
        FROM needy
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
    (
        SELECT bit_xor(hashint8(noted.id))
        FROM noted
        JOIN jobs_job AS job ON job.id = noted.job_id
        WHERE job.tenant_id = %(tenant_id)s
          AND (
              job.user_id = ANY (%(strings)s::text[])
              OR (job.user_id IS NULL AND job.legacy_user_id = ANY (%(integers)s::bigint[]))
          )
    ),
    (
        SELECT bit_xor(hashint8(skipped.id))
        FROM skipped
        JOIN jobs_job AS job ON job.id = skipped.job_id
        WHERE job.tenant_id = %(tenant_id)s
          AND (
              job.user_id = ANY (%(strings)s::text[])
              OR (job.user_id IS NULL AND job.legacy_user_id = ANY (%(integers)s::bigint[]))
          )
    )
