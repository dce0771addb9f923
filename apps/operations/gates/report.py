"""What a gate found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

GATES = {1: "Contract and isolation", 2: "High availability", 3: "Readiness"}


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that must hold; `evidence` is a sentence with what was seen, and where it is not `ok`, what to do."""

    name: str
    ok: bool
    evidence: str


@dataclass(frozen=True, slots=True)
class GateReport:
    gate: int
    checks: tuple[Check, ...]

    @property
    def title(self) -> str:
        return GATES[self.gate]

    @property
    def go(self) -> bool:
        return bool(self.checks) and all(check.ok for check in self.checks)

    @property
    def verdict(self) -> str:
        return "GO" if self.go else "NO-GO"

    @property
    def failed(self) -> list[Check]:
        return [check for check in self.checks if not check.ok]

    @property
    def payload(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "gate": self.gate,
            "verdict": self.verdict,
            "checks": [
                {"name": check.name, "ok": check.ok, "evidence": check.evidence} for check in self.checks
            ],
        }
