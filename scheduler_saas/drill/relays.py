"""The parent's side of `relay`: one for each replica, and the address that leads through it."""

from __future__ import annotations

import json
import signal
import socket

import psycopg
from psycopg.conninfo import make_conninfo

from scheduler_saas.demo.children import Children
from scheduler_saas.demo.sockets import listen, port_of

_ANSWERS_WITHIN = 5.0


class Relay:
    """Started as the child `name`; `conninfo` is `server` by way of it. It ends with this process, at the latest."""

    def __init__(self, children: Children, name: str, *, server: str) -> None:
        listening = listen()
        self._control, control = socket.socketpair()
        with psycopg.connect(server) as session:
            info = session.info
            self.conninfo = _through(server, info, port_of(listening))
            address = _address(info)
        with listening, control:
            asked = {"fd": listening.fileno(), "control": control.fileno(), "server": address}
            for ours in (listening, control):
                ours.set_inheritable(True)
            children.start(
                name,
                ["-m", "scheduler_saas.drill.relay"],
                stdin=(json.dumps(asked) + "\n").encode(),
                pass_fds=[listening.fileno(), control.fileno()],
                orphaned=signal.SIGKILL,
            )
        self._words = self._control.makefile("r", encoding="ascii")

    def freeze(self) -> None:
        """Returns once nothing passes any more."""
        self._say("freeze")
        self._hear("frozen", _ANSWERS_WITHIN)

    def hold(self, what: str, *, within: float) -> bool:
        """Freeze with a `commit` or the first `answer` of a transaction in hand, or anyhow when none came in time."""
        self._say(f"hold {what}")
        if self._hear("frozen", within, patient=True):
            return True
        self.freeze()
        return False

    def thaw(self) -> None:
        self._say("thaw")

    def late(self) -> int:
        """Sessions whose client went on after it was over, since the start."""
        self._say("late")
        return int(self._hear("late", _ANSWERS_WITHIN).removeprefix("late "))

    def _say(self, word: str) -> None:
        self._control.sendall(f"{word}\n".encode())

    def _hear(self, expected: str, seconds: float, *, patient: bool = False) -> str:
        """The next word of that kind; with `patient`, "" when none came in time."""
        self._control.settimeout(seconds)
        try:
            while not (word := self._words.readline().strip()).startswith(expected):
                if not word:
                    raise ConnectionError("a relay ended")
        except TimeoutError:
            if patient:
                self._words = self._control.makefile("r", encoding="ascii")  # the old one reads no more
                return ""
            raise
        return word


def _address(info: psycopg.ConnectionInfo) -> str | tuple[str, int]:
    if info.host.startswith("/"):
        return f"{info.host}/.s.PGSQL.{info.port}"
    return info.hostaddr or info.host, info.port


def _through(server: str, info: psycopg.ConnectionInfo, port: int) -> str:
    """The host's name stays, for its certificate."""
    host = "127.0.0.1" if info.host.startswith("/") else info.host
    return make_conninfo(server, host=host, hostaddr="127.0.0.1", port=port)
