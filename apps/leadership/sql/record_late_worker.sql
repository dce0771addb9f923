-- Record what a worker wanted to write of leases that had gone, and of ticks that had ended before.
INSERT INTO leadership_refusedwrite (at, actor, name, what, count)
SELECT clock_timestamp(), 'worker', %(worker)s, late.what, late.count
FROM (
    VALUES
        ('stale_lease', %(stale)s::integer), ('second_end', %(duplicates)s::integer),
        ('late_renewal', %(renewals)s::integer)
) AS late (what, count)
WHERE late.count > 0
