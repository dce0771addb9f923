"""What on-call does: find drift, repair it with a reason, and leave a record.

- `reconcilers`  one class for each kind of drift: find reads, repair writes
- `services`     a run of reconcilers: dry or real, for one tenant or all, audited
- `selectors`    the operators' overview
- `runbooks`     the documents of docs/runbooks, and who has read them as they are now

Repair lives nowhere else: no read, page or worker mends what it comes across.
"""
