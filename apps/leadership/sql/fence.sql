-- Keeps the leader's own term from being closed until its transaction ends. No row: the term is over.
SELECT step_down_reason FROM leadership_leaderterm
WHERE epoch = %(epoch)s AND term_id = %(term_id)s AND backend_pid = pg_backend_pid() AND ended_at IS NULL
FOR NO KEY UPDATE
