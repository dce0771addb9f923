"""How many sockets a process may have open at once."""

from __future__ import annotations

import resource

SPARE = 200  # sessions, pipes, listening sockets, modules being read


class TooFewDescriptors(Exception):
    """The system lets this process open fewer files than it needs for what it is asked to do."""


def allow_connections(wanted: int) -> None:
    """Raise this process's soft limit to what the system grants it (RLIMIT_NOFILE).

    Raises TooFewDescriptors when that is not enough for `wanted` connections at once.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    needed = wanted + SPARE
    if hard != resource.RLIM_INFINITY and hard < needed:
        raise TooFewDescriptors(
            f"{wanted} executions at once may take {needed} open files, and the system allows {hard}:"
            " raise the limit (ulimit -Hn, LimitNOFILE) or lower WORKER_CONCURRENCY"
        )
