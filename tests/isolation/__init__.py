"""What the isolation tests share: a row of every kind for a tenant, and the routes with who may use them."""
