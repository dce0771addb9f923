"""A cable that can be pulled: a process in a network namespace of its own, with one way out to the server.

A pulled cable is silent. The neighbour's address is a wrong one, so packets go out and arrive nowhere; a link that is
down would be told to the sender.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

NOWHERE = "02:00:00:00:00:99"


def unavailable() -> str | None:
    """Why there can be no namespaces here; None when there can."""
    if os.geteuid() != 0:
        return "network namespaces are for root"
    if shutil.which("ip") is None:
        return "there is no ip command (Debian: iproute2)"
    probe = f"chaos{os.getpid()}"
    try:
        _ip("netns", "add", probe)
        _ip("link", "add", f"{probe[:10]}p", "type", "veth", "peer", "name", f"{probe[:10]}q")
    except subprocess.CalledProcessError as error:
        return f"this machine permits none: {error.stderr.strip()}"
    finally:
        with suppress(subprocess.CalledProcessError):
            _ip("link", "del", f"{probe[:10]}p")
        with suppress(subprocess.CalledProcessError):
            _ip("netns", "del", probe)
    return None


@dataclass(frozen=True)
class Cable:
    """`prefix` starts a command at the far end, which reaches us at `here`."""

    name: str
    here: str
    there: str

    @property
    def prefix(self) -> tuple[str, ...]:
        return ("ip", "netns", "exec", self.name)

    def pull(self) -> None:
        _ip("neigh", "replace", self.there, "lladdr", NOWHERE, "dev", f"{self.name}-0", "nud", "permanent")
        self._far(
            "neigh", "replace", self.here, "lladdr", NOWHERE, "dev", f"{self.name}-1", "nud", "permanent"
        )

    def plug(self) -> None:
        _ip("neigh", "del", self.there, "dev", f"{self.name}-0")
        self._far("neigh", "del", self.here, "dev", f"{self.name}-1")

    def lay(self, number: int) -> None:
        near, far = f"{self.name}-0", f"{self.name}-1"
        _ip("netns", "add", self.name)
        _ip("link", "add", near, "type", "veth", "peer", "name", far)
        _ip("link", "set", far, "netns", self.name)
        _ip("addr", "add", f"{self.here}/30", "dev", near)
        _ip("link", "set", near, "up")
        self._far("addr", "add", f"{self.there}/30", "dev", far)
        self._far("link", "set", far, "up")
        self._far("link", "set", "lo", "up")

    def _far(self, *words: str) -> None:
        _ip("-n", self.name, *words)


@contextmanager
def cables(count: int) -> Iterator[list[Cable]]:
    made: list[Cable] = []
    try:
        for number in range(count):
            net = f"10.231.{os.getpid() % 250}.{4 * number}"
            base, _, last = net.rpartition(".")
            cable = Cable(
                f"ch{os.getpid()}{number}"[-11:], f"{base}.{int(last) + 1}", f"{base}.{int(last) + 2}"
            )
            made.append(cable)
            cable.lay(number)
        yield made
    finally:
        for cable in made:
            with suppress(subprocess.CalledProcessError):
                _ip("netns", "del", cable.name)  # and the link with it


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True, text=True)
