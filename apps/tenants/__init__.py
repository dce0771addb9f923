"""Who is who: tenants, their plans, hosts, members and keys; and the one way into a tenant's scope.

`context` enters a scope on Django's connection, `machine` opens the scheduler's own sessions, `row_security` writes the
policies that both rely on. Nothing here knows of jobs or executions.
"""
