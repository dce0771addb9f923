-- Which server process answers, and the mark a session with it has left there.
SELECT pg_backend_pid(), current_setting('scheduler.replica_session', true)
