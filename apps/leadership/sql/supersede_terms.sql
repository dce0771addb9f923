-- Closes every earlier open term, by the session that holds the lock now. Waits for a transaction of theirs, if any.
UPDATE leadership_leaderterm SET ended_at = clock_timestamp(), end_reason = 'superseded'
WHERE ended_at IS NULL
RETURNING epoch
