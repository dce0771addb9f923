-- Terms that were open at some time since then, and whatever is open, the newest first.
SELECT epoch, replica, host, process_id, backend_pid, started_at, ended_at, end_reason, step_down_reason,
  extract(epoch FROM clock_timestamp() - heartbeat_at)::float8, extract(epoch FROM coalesce(ended_at, clock_timestamp()) - started_at)::float8
FROM leadership_leaderterm
WHERE ended_at IS NULL OR ended_at > clock_timestamp() - make_interval(hours => %(hours)s)
ORDER BY epoch DESC
