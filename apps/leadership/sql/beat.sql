-- The leader's heartbeat, and a fence in itself; checks that this backend still holds the lock. No row: the term is over.
UPDATE leadership_leaderterm SET heartbeat_at = clock_timestamp()
WHERE epoch = %(epoch)s AND term_id = %(term_id)s AND backend_pid = pg_backend_pid() AND ended_at IS NULL
  AND EXISTS (
    SELECT FROM pg_locks
    WHERE locktype = 'advisory' AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
      AND classid = %(class)s AND objid = %(id)s AND objsubid = 2 AND granted AND pid = pg_backend_pid())
RETURNING step_down_reason
