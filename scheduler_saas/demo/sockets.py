"""Listening sockets that the demo opens itself and hands to its children, so that no port is lost in between."""

from __future__ import annotations

import socket
from contextlib import closing


def listen(port: int = 0, *, tries: int = 100) -> socket.socket:
    """On loopback: at `port` or the next one that is free; 0 is any. Raises OSError when `tries` ports are taken."""
    for candidate in range(port, port + (tries if port else 1)):
        if candidate and _answers(candidate):
            continue
        listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listening.bind(("127.0.0.1", candidate))
            listening.listen(512)
        except OSError:
            listening.close()
            continue
        return listening
    raise OSError(f"no free port from {port} on")


def port_of(listening: socket.socket) -> int:
    port: int = listening.getsockname()[1]
    return port


def _answers(port: int) -> bool:
    """Whether somebody serves it on any local address: a bind to 127.0.0.1 succeeds beside one to ::1."""
    for family, address in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
        try:
            with closing(socket.socket(family, socket.SOCK_STREAM)) as probe:
                probe.settimeout(0.2)
                if probe.connect_ex((address, port)) == 0:
                    return True
        except OSError:  # no IPv6 here
            continue
    return False
