-- Delete a batch of the oldest records of refused writes.
DELETE FROM leadership_refusedwrite
WHERE id = ANY (ARRAY(
    SELECT id FROM leadership_refusedwrite
    WHERE at < clock_timestamp() - make_interval(days => %(days)s)
    ORDER BY at
    LIMIT %(limit)s
    FOR UPDATE SKIP LOCKED
))
