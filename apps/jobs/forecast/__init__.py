"""How many runs will start in each minute to come, and what jitter would make of their peaks.

- `curve`     runs by minute, and the same runs under other jitters; pure
- `counting`  groups of jobs with one schedule to a curve, in a bounded amount of work; pure
- `reading`   a tenant's jobs as such groups

What is forecast is what the schedules ask for. Quotas, overlap and failures are not foreseen, nor what people trigger.
"""
