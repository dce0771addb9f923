-- Delete a batch of a tenant's oldest lines of the journal from before a moment. Lines that another session is deleting are
-- left to it.
DELETE FROM leadership_schedulerevent
WHERE id = ANY (ARRAY(
    SELECT id FROM leadership_schedulerevent
    WHERE tenant_id = %(tenant_id)s AND event_date < %(before)s
    ORDER BY event_date
    LIMIT %(limit)s
    FOR UPDATE SKIP LOCKED
))
