-- Whether a transaction of this database that has written something began to before the given one.
SELECT EXISTS (
    SELECT FROM pg_stat_activity
    WHERE datname = current_database() AND backend_xid IS NOT NULL AND age(backend_xid) > age(%(xid)s::xid)
)
