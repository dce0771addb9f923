"""When on-call is called, from one list.

- `definitions`  ALERTS: each with its threshold, how long it must hold, and its runbook
- `measures`     what an alert looks at, said twice: to Prometheus, and of figures that were read here
- `rules`, `thresholds`, `dashboard`   made of the list: Prometheus's rules, the table people read, a dashboard
- `documents`    where these files are; `manage.py alert_rules` writes them and a test compares them
- `evaluation`   the same list without Prometheus: workers move `AlertState` by the database's clock
- `mail`         one to on-call when an alert begins, one when it ends
- `selectors`    how the alerts stand

No alert has a tenant's text in it, and none repairs anything.
"""
