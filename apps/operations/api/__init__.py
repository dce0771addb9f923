"""The API of repair, for a tenant's admins and owners."""
