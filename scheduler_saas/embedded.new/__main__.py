"""`python -m scheduler_saas.embedded start|stop|remove|url`, as the Makefile uses it."""

import sys

from scheduler_saas import embedded

match sys.argv[1:]:
    case ["start"]:
        action = embedded.connection_settings
    case ["url"]:
        action = embedded.database_url
    case ["stop"]:
        action = lambda: embedded.stop(force=True)
    case ["remove"]:
        action = embedded.remove
    case _:
        raise SystemExit(__doc__)
