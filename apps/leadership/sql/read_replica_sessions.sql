-- Sessions of replicas, leader and standbys alike, by their application name.
SELECT substr(application_name, length(%(prefix)s) + 1), pid, host(client_addr), backend_start
FROM pg_stat_activity
WHERE datname = current_database() AND starts_with(application_name, %(prefix)s)
ORDER BY application_name, pid
