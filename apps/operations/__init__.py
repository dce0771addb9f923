"""What on-call does: find drift, repair it with a reason, and leave a record.

- `reconcilers`  one class for each kind of drift: find reads, repair writes
- `services`     a run of reconcilers: dry or real, for one tenant or all, audited
- `selectors`    the operators' overview
- `alerts`       when on-call is called: the list, what is made of it, and how it is evaluated

Repair lives nowhere else: no read, page or worker mends what it comes across.
"""
