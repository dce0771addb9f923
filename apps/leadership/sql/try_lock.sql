-- Takes the lock if it is free, without waiting.
SELECT pg_try_advisory_lock(%(class)s, %(id)s)
