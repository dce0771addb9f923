"""The end of a tenant, and what it may take along: deletion and export, both over every table that has a tenant's rows.

Which tables those are is asked of the database, so a table that is added is exported and deleted without a word here.
"""
