"""The statements of the live queue and its ledger, one a file; `queue` and `ledger` call them.

Whoever writes to a leased row proves ownership in the WHERE: its id, its state and its token. Batches come as one JSON
document, opened once (MATERIALIZED) and joined by hash; rows of the queue are found by `id = ANY (array)`. The state is
asked for as `<> 'pending'`: with `= 'leased'` the planner may read the index of all leases instead of the primary key.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any


@cache
def statement(name: str) -> Any:
    """The text of `<name>.sql`."""
    return (Path(__file__).parent / f"{name}.sql").read_text(encoding="utf-8")
