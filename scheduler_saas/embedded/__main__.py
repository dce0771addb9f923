"""`python -m scheduler_saas.embedded start|stop|remove|url`, as the Makefile uses it."""

import sys

from scheduler_saas import embedded


def main(arguments: list[str]) -> None:
    match arguments:
        case ["start"]:
            embedded.connection_settings()
        case ["url"]:
            print(embedded.database_url())
        case ["stop"]:
            embedded.stop(force=True)
        case ["remove"]:
            embedded.remove()
        case _:
            raise SystemExit(__doc__)


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except embedded.EmbeddedPostgresError as problem:
        raise SystemExit(str(problem)) from None
