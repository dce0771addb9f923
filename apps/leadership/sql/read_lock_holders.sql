-- Backends that hold the leader's lock: one, or none.
SELECT pid FROM pg_locks
WHERE locktype = 'advisory' AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
  AND classid = %(class)s AND objid = %(id)s AND objsubid = 2 AND granted
