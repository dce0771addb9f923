"""Telling tenants of their jobs: by email and by signed webhook.

The leader writes a `jobs.Notice` where a cursor moves; `gathering` makes messages of them, one for each channel that
asked, and `sending` delivers these outside of any transaction, at least once, under an id that stays. Both are run by
workers, as a chore. What happened is told in `messages`; who is told is `channels`.
"""
