-- Put ranges of ticks without an execution into the ledger, stamped with the epoch. A range that begins where one begins
-- already is that range.
INSERT INTO executions_skip (tenant_id, job_id, first, last, count, reason, detail, epoch)
SELECT tenant_id, job_id, first, last, count, reason, detail, %(epoch)s
FROM unnest(
    %(tenant_ids)s::bigint[], %(job_ids)s::bigint[], %(firsts)s::timestamptz[], %(lasts)s::timestamptz[],
    %(counts)s::bigint[], %(reasons)s::text[], %(details)s::text[]
) AS skip (tenant_id, job_id, first, last, count, reason, detail)
ON CONFLICT DO NOTHING
