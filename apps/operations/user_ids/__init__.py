"""Filling the empty half of the two user id columns, wherever the identity table knows the other half.

- `tables`    which tables, and in what order their rows are walked
- `left`      what is still to be filled, by user
- `filling`   a batch of users' rows, in one transaction
- `backfill`  all of it, for a tenant or for all, and what it did

A column that is set is never changed, so that a row stays its user's whatever was mapped meanwhile. Reads do not wait
for any of this: they find every form (`tenants.identity`). Counters keep the key under which they counted; whoever asks
for a user's total sums over the forms, and filling a column takes no row from one form of a user to another user.
"""
