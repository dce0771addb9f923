"""What on-call does: find drift, repair it with a reason, and leave a record.

- `reconcilers`  one class for each kind of drift: find reads, repair writes
- `services`     a run of reconcilers: dry or real, for one tenant or all, audited
- `selectors`    the operators' overview, with `charts`, and `health`: the verdict and its reasons
- `alerts`       when on-call is called: the list, what is made of it, and how it is evaluated
- `break_glass`  an operator's access to one tenant's outputs, for minutes
- `admin`        the operators' pages that need more than one app
- `runbooks`     the documents of docs/runbooks, and who has read them as they are now

Repair lives nowhere else: no read, page or worker mends what it comes across.
"""
