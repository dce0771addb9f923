"""What only the product as a whole can look at: its API as it answers, and the isolation of its database.

The modules load the API and its description, so they are imported when a gate asks, and not with every process.
"""

from __future__ import annotations

from collections.abc import Iterator

from apps.operations.gates.report import Check


def _isolation() -> Iterator[Check]:
    from scheduler_saas.gates.isolation import isolation_checks

    return isolation_checks()


def _contract() -> Iterator[Check]:
    from scheduler_saas.gates.contract import contract_checks

    return contract_checks()


def _reads() -> Iterator[Check]:
    from scheduler_saas.gates.reads import read_checks

    return read_checks()


def offer() -> None:
    """Give the gates these checks; called once, when the apps are ready."""
    from apps.operations.gates.run import PRODUCT

    PRODUCT[1] = [("contract", _contract), ("row security", _isolation)]
    PRODUCT[3] = [("reads", _reads)]
