"""Signing in and out, and passwords, on a tenant's host. Who may sign in is decided by memberships alone."""
