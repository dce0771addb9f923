"""What customers configure in confidence, in each tenant's own schema: job content, secrets, endpoints.

Content is encrypted with a key derived for the tenant. No foreign key crosses schemas; rows carry the job's id.
"""
