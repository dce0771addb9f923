-- Take what completions left for the jobs' cursors, oldest first. Deleted by an array of ids: a plan that lags behind the
-- statistics would scan the table.
DELETE FROM executions_outcomenote
WHERE id = ANY (ARRAY(SELECT id FROM executions_outcomenote ORDER BY id LIMIT %(batch)s))
RETURNING id, job_id, status, error_message, finished_at, successes, failures, trailing_failures, gone_version
