"""Executions: the live queue, its leases, the workers that run them, and the ledger of what became of each.

Knows nothing of jobs: what an execution needs of its job (target, timeout, retry policy, content version) was copied
onto it when it was dispatched.
"""
