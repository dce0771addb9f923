"""From one leader to the next: waiting for it, and how long nobody led."""

from __future__ import annotations

import time
from dataclasses import dataclass

from apps.leadership.models import LeaderTerm
from apps.leadership.session import STEPPED_DOWN

_LOOK_EVERY = 0.02
_IN_GOOD_ORDER = (STEPPED_DOWN, "stopped", "one check")


def in_good_order(end_reason: str) -> bool:
    """Whether the leader closed its term itself."""
    return end_reason.startswith(_IN_GOOD_ORDER)


@dataclass(frozen=True, slots=True)
class Handover:
    ended: LeaderTerm
    next: LeaderTerm

    @property
    def nobody_led_ms(self) -> float:
        """Between the terms. One that could not close itself ended with its last sign of life."""
        term = self.ended
        end = term.ended_at if in_good_order(term.end_reason) else term.heartbeat_at
        return round((self.next.started_at - (end or term.heartbeat_at)).total_seconds() * 1000, 1)


def wait_for_handover(epoch: int, *, seconds: float) -> Handover | None:
    """Once the term `epoch` has ended and another began; None when that takes longer."""
    deadline = time.monotonic() + seconds
    while True:
        terms = list(LeaderTerm.objects.filter(epoch__gte=epoch).order_by("epoch")[:2])
        if len(terms) == 2 and terms[0].epoch == epoch and terms[0].ended_at is not None:
            return Handover(*terms)
        if time.monotonic() > deadline:
            return None
        time.sleep(_LOOK_EVERY)
