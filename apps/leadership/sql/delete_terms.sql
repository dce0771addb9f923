-- Delete a batch of terms that ended long ago. By epoch, which is their order.
DELETE FROM leadership_leaderterm
WHERE epoch = ANY (ARRAY(
    SELECT epoch FROM leadership_leaderterm
    WHERE ended_at < clock_timestamp() - make_interval(days => %(days)s)
    ORDER BY epoch
    LIMIT %(limit)s
))
