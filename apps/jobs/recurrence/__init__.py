"""When a job is due: rules, the instants they name, what a person may write and how it is shown.

Pure code: no model, no database, no clock. `now` is always a parameter and every instant is an aware datetime
in UTC; local time exists only inside this package and in what it shows. Storing rules, deciding what to do
with a missed tick and firing anything live elsewhere and never move in here.

- `rules`       the four kinds of rule and windows around them, hashable so that they can key a memo
- `expression`  cron text to a canonical form and its calendar
- `zones`       zone names, and which instants a wall clock reading names
- `times`       `next_after`, `ticks_after`, `occurrences`, `ticks_between`
- `validation`  raw fields to a rule, or a sentence
- `preview`     upcoming runs with clock changes marked; `wording` describes a rule in English
"""
