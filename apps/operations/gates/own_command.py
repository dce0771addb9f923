"""Runs the command of a row that is no pytest, and leaves its result where the gates look; needs no package.

    python -m apps.operations.gates.own_command D-model -- python docs/model/check

Ends as the command does.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

from apps.operations.gates.matrix import BY_KEY
from apps.operations.gates.record import Result, checkout, write

ROOT = Path(__file__).resolve().parents[3]


def main(key: str, command: list[str]) -> int:
    before, began = checkout(ROOT), time.monotonic()
    code = subprocess.run(command, cwd=ROOT).returncode
    after = checkout(ROOT)
    if after.commit:
        result = Result(
            row=BY_KEY[key].key,
            commit=before.commit,
            clean_tree=before == after and after.clean,
            complete=True,
            passed=int(code == 0),
            failed=int(code != 0),
            skipped=0,
            seconds=round(time.monotonic() - began, 1),
            postgres="",
            ran_at=datetime.now(UTC),
        )
        write(Path(os.environ.get("EVIDENCE_DIR") or ROOT / "var" / "evidence"), result)
    return code


if __name__ == "__main__":
    if len(sys.argv) < 4 or sys.argv[2] != "--" or sys.argv[1] not in BY_KEY:
        sys.exit("Use: python -m apps.operations.gates.own_command ROW -- COMMAND ...")
    sys.exit(main(sys.argv[1], sys.argv[3:]))
