-- Terminates the backend that holds the lock, if it is that of the open term and its heartbeat is too old: older than the trust
-- window, or, where the backend waits for its client to read an answer, than the idle timeout, which does not count such a wait.
-- One statement, so that who is judged is who is terminated.
WITH silent AS MATERIALIZED (
  SELECT t.epoch, t.replica, l.pid, extract(epoch FROM clock_timestamp() - t.heartbeat_at)::float8 AS age
  FROM leadership_leaderterm t
  JOIN pg_locks l ON l.pid = t.backend_pid
  LEFT JOIN pg_stat_activity a ON a.pid = l.pid
  WHERE t.ended_at IS NULL
    AND t.heartbeat_at < clock_timestamp() - make_interval(secs => CASE a.wait_event
      WHEN 'ClientWrite' THEN least(%(trust_window)s, %(idle_timeout)s) ELSE %(trust_window)s END)
    AND l.locktype = 'advisory' AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
    AND l.classid = %(class)s AND l.objid = %(id)s AND l.objsubid = 2 AND l.granted AND l.pid <> pg_backend_pid()
)
SELECT epoch, replica, age, pg_terminate_backend(pid) FROM silent
