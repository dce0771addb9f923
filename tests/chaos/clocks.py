"""Wrong wall clocks for single processes: a library of a few lines that is loaded before the system's.

It is compiled for the run, by the C compiler that `make model` needs too (`apt-get install gcc libc6-dev`). Where
there is none clocks are right, and a plan's clock faults strike nobody, which its log says.
"""

from __future__ import annotations

import shutil
import struct
import subprocess
from pathlib import Path

_SOURCE = Path(__file__).with_name("wrong_clock.c")
MISSING = "no C compiler here, so clocks are right: apt-get install gcc libc6-dev"


def compiled(directory: Path) -> Path | None:
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        return None
    library = directory / "wrong_clock.so"
    done = subprocess.run([compiler, "-shared", "-fPIC", "-O2", "-o", library, _SOURCE], capture_output=True)
    return library if done.returncode == 0 else None


class Clock:
    """Of one place in the fleet, whichever process is there."""

    def __init__(self, file: Path, library: Path) -> None:
        self._file, self._library = file, library
        self._file.write_bytes(struct.pack("q", 0))

    def shift(self, seconds: float) -> None:
        """Wrong by so much from now on, without a restart."""
        with self._file.open("r+b") as file:
            file.write(struct.pack("q", int(seconds)))

    def environment(self) -> dict[str, str]:
        return {"LD_PRELOAD": str(self._library), "CHAOS_CLOCK": str(self._file)}
