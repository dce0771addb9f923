"""Whether a release may go on: three gates, each a list of checks of the running system and of the test matrix.

- `matrix`     the rows of the test matrix, their files and the order of their stages; the one source
- `record`     the result of a row as a file, and what commit this is; works without Django
- `own_command`   runs a row that is no pytest, and records it
- `evidence`   those results as checks: of this commit, of a clean tree, complete and passed
- `isolation`, `leaders`, `ledger`, `readiness`   what the database says; the product adds what only it can look at
- `run`        a gate as a whole

Nothing here writes: a probe that has to try to is on a session of its own, in a transaction that is rolled back.
"""

from apps.operations.gates.report import GATES, Check, GateReport

__all__ = ["GATES", "Check", "GateReport", "run_gate"]


def run_gate(number: int) -> GateReport:
    """All checks of gate 1, 2 or 3, now."""
    from apps.operations.gates.run import run  # here, as the test matrix is read without Django

    return run(number)
