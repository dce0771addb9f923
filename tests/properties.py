"""How long the property tests look. The same cases each time, unless PROPERTY_ROUNDS asks for so many times as many:

    PROPERTY_ROUNDS=20 make test ARGS="--timeout 0 tests/test_execution_state_machine.py"

More rounds are random. Each run looks elsewhere; what failed is made as small as can be, kept in `.hypothesis`, and
tried first the next time.
"""

from __future__ import annotations

import os
from typing import Any

from hypothesis import HealthCheck, Phase, settings

ROUNDS = int(os.environ.get("PROPERTY_ROUNDS", "1"))


def looking(examples: int, *, slow: bool = False, **options: Any) -> settings:
    """So many examples a round, however long one takes. `slow`: to make a failure small would take minutes, so that is
    left to those who ask for more rounds; a failure is told as it was found.
    """
    left_out = {Phase.explain, *([Phase.shrink] if slow and ROUNDS == 1 else [])}
    return settings(
        max_examples=examples * ROUNDS,
        derandomize=ROUNDS == 1,
        deadline=None,
        print_blob=True,
        phases=[phase for phase in Phase if phase not in left_out],
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
        **options,
    )
