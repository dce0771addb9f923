"""Calendars: times at which the jobs that name one do not run.

- `entries`    what a person may write, and the instants it covers; pure
- `services`   every change of a calendar; `selectors` reading them; `payloads` as the API shows them

The dispatcher applies blackouts when a time is due, so an edit counts for every time that is not dispatched yet and no
cursor has to move.
"""
