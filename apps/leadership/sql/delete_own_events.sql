-- Delete a batch of the scheduler's own oldest lines of the journal.
DELETE FROM leadership_schedulerevent
WHERE id = ANY (ARRAY(
    SELECT id FROM leadership_schedulerevent
    WHERE tenant_id IS NULL AND event_date < clock_timestamp() - make_interval(days => %(days)s)
    ORDER BY event_date
    LIMIT %(limit)s
    FOR UPDATE SKIP LOCKED
))
