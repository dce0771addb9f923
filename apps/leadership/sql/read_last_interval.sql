-- The check interval of the latest term that said one.
SELECT check_interval_minutes FROM leadership_schedulerevent
WHERE tenant_id IS NULL AND event_type = 'start'
ORDER BY event_date DESC LIMIT 1
