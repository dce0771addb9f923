"""Connected platforms, and the monitoring job that each of them must have.

- `registry`    the platforms on offer: the task and the schedule of each
- `content`     what a connection may hold, and what the audit trail says of it
- `services`    connecting, disconnecting, and making the jobs that are missing
- `selectors`   what a user has connected, and whether it is monitored
- `payloads`    both as dashboards know them
- `uniqueness`  what the database says when a second job is asked for

Connecting makes no job: `reconcile` does, when a person asks, when on-call does, or on the worker's schedule. What the
monitoring itself is, the tenant's endpoint knows.
"""
