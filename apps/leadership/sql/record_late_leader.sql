-- Record that a leader tried to write when its term was over. It may have failed for another reason, with its term still
-- open: then nothing is recorded. A term that is not there was lost with the server that knew it.
INSERT INTO leadership_refusedwrite (at, actor, name, what, count, epoch)
SELECT clock_timestamp(), 'leader', %(replica)s, 'term_over', 1, %(epoch)s
WHERE NOT EXISTS (
    SELECT FROM leadership_leaderterm WHERE epoch = %(epoch)s AND term_id = %(term_id)s AND ended_at IS NULL
)
