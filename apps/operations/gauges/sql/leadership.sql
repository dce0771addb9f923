-- Who leads, and how many terms began lately: of the newest thousand, by the primary key.
WITH clock AS MATERIALIZED (
    SELECT clock_timestamp() AS now
), newest AS MATERIALIZED (
    SELECT
        epoch, started_at,
        CASE WHEN ended_at IS NULL THEN extract(epoch FROM clock.now - heartbeat_at)::float8 END AS silence
    FROM leadership_leaderterm, clock
    ORDER BY epoch DESC
    LIMIT 1000
), last AS (
    SELECT * FROM newest ORDER BY epoch DESC LIMIT 1
)
SELECT 'scheduler_leaders', coalesce((SELECT silence <= %(trust_window)s FROM last), false)::integer::float8
UNION ALL
SELECT 'scheduler_leader_heartbeat_age_seconds', greatest(coalesce((SELECT silence FROM last), 0), 0)
UNION ALL
SELECT 'scheduler_terms_total', coalesce((SELECT epoch FROM last), 0)::float8
UNION ALL
SELECT
    'scheduler_terms_last_10m',
    (SELECT count(*) FROM newest, clock WHERE started_at > clock.now - interval '10 minutes')::float8
