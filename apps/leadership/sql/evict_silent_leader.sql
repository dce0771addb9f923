-- Terminates the backend that holds the lock, if it is that of the open term and its heartbeat is too old: older than the
-- trust window; or than the idle timeout, if for so long the backend has been waiting for its client. In the middle of a
-- request (a pipeline) or of an answer no timeout of the server's counts that.
-- One statement, so that who is judged is who is terminated.
WITH silent AS MATERIALIZED (
  SELECT t.epoch, t.replica, l.pid, extract(epoch FROM now - t.heartbeat_at)::float8 AS age
  FROM clock_timestamp() AS now, leadership_leaderterm t
  JOIN pg_locks l ON l.pid = t.backend_pid
  LEFT JOIN pg_stat_activity a ON a.pid = l.pid
  WHERE t.ended_at IS NULL
    AND (t.heartbeat_at < now - make_interval(secs => %(trust_window)s)
      OR (a.wait_event_type = 'Client'
        AND greatest(t.heartbeat_at, a.state_change) < now - make_interval(secs => %(idle_timeout)s)))
    AND l.locktype = 'advisory' AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
    AND l.classid = %(class)s AND l.objid = %(id)s AND l.objsubid = 2 AND l.granted AND l.pid <> pg_backend_pid()
)
SELECT epoch, replica, age, pg_terminate_backend(pid) FROM silent
