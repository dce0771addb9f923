INSERT INTO leadership_leaderterm (term_id, replica, host, process_id, backend_pid, started_at, heartbeat_at, end_reason)
SELECT %(term_id)s, %(replica)s, %(host)s, %(process_id)s, pg_backend_pid(), now, now, ''
FROM clock_timestamp() AS now
RETURNING epoch, started_at
