"""Our database backend: the tenant of a connection, applied whole or not at all.

Django loads `base.DatabaseWrapper`. Nothing else lives here.
"""
