SELECT pg_advisory_unlock(%(class)s, %(id)s)
