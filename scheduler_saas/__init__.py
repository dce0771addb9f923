"""The product wired together: settings, URLs, admin site, database backend, the processes' commands.

Nothing of a domain lives here; importing this package imports nothing else.
"""
