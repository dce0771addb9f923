-- Each lane (index cursor_due) is read on its own, as the dispatcher does.
WITH clock AS MATERIALIZED (
    SELECT clock_timestamp() AS now
), lanes AS MATERIALIZED (
    SELECT found.*
    FROM generate_series(1, 8) AS lane (lane)
    CROSS JOIN LATERAL (
        SELECT
            count(*) AS due,
            count(*) FILTER (
                WHERE cursor.next_run_at < (SELECT now FROM clock) - %(late_seconds)s * interval '1 second'
            ) AS late,
            min(cursor.next_run_at) AS oldest
        FROM jobs_cursor AS cursor
        WHERE cursor.lane = lane.lane AND cursor.next_run_at <= (SELECT now FROM clock)
    ) AS found
)
SELECT 'scheduler_due', sum(due)::float8 FROM lanes
UNION ALL
SELECT 'scheduler_due_late', sum(late)::float8 FROM lanes
UNION ALL
SELECT
    'scheduler_due_oldest_seconds',
    coalesce(extract(epoch FROM (SELECT now FROM clock) - min(oldest)), 0)::float8
FROM lanes
