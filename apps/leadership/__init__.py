"""Exactly one leader: an advisory lock held by one dedicated session, and the terms that say who held it when.

`locks` is the registry of lock keys, `session` the leader's connection and its fence, `election` the standby's side,
`loop` what runs while leading. `SchedulerEvent` is the scheduler's journal. What a leader does is not known here: the
steps are handed to the loop by the process that starts it.
"""
