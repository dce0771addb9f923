-- Writes why a term ended, even if a successor was quicker to close it. Returns whether it was still open.
WITH old AS (SELECT epoch, ended_at FROM leadership_leaderterm WHERE epoch = %(epoch)s FOR NO KEY UPDATE)
UPDATE leadership_leaderterm t SET ended_at = coalesce(t.ended_at, clock_timestamp()), end_reason = %(reason)s
FROM old
WHERE t.epoch = old.epoch AND (t.ended_at IS NULL OR t.end_reason = 'superseded')
RETURNING old.ended_at IS NULL
