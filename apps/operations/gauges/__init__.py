"""The state of the whole system in numbers, read from the database at this moment, by their names in Prometheus.

`read_gauges` is what `/metrics` shows and what the alerts are evaluated on. Each read is one statement of `sql/` on an
index or a small table, or a bounded sweep over the tenants (`sweeps`); none of them looks at the ledger. What every
number means is said in `families`. No label has a tenant's text in it.
"""

from apps.operations.gauges.reading import ERRORS, read_gauges

__all__ = ["ERRORS", "read_gauges"]
