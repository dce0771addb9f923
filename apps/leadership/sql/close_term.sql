UPDATE leadership_leaderterm SET ended_at = clock_timestamp(), end_reason = %(reason)s
WHERE epoch = %(epoch)s AND term_id = %(term_id)s AND ended_at IS NULL
RETURNING 1
