"""Rounds of stepping down where people work: how long nobody led. Jobs are not judged; nothing is hurt."""

from __future__ import annotations

import time
from collections.abc import Callable

from apps.leadership.handover import Handover, wait_for_handover
from apps.leadership.models import LeaderTerm
from apps.leadership.report import read_report
from apps.leadership.services import step_down_request
from scheduler_saas.demo.timing import leaders_max
from scheduler_saas.demo.verdict import Verdict
from scheduler_saas.demo.witnesses import History, TermRow
from scheduler_saas.drill.verdict import spread

_SETTLED_WITHIN = 10.0
_BETWEEN = 1.0  # seconds: the new leader does its work, and who stepped down is back


def drill_live(
    *, rounds: int, reason: str, actor: str, wait: float, show: Callable[[str], None] = lambda line: None
) -> Verdict:
    """Raises what `step_down_request` raises."""
    handovers: list[Handover] = []
    for number in range(1, rounds + 1):
        if number > 1:
            time.sleep(_BETWEEN)
            _wait_until_settled()
        term = step_down_request(reason=reason, actor=actor, wait=wait)
        handover = wait_for_handover(term.epoch, seconds=wait)
        if handover is None:
            show(f"round {number}: epoch {term.epoch} was asked to end, and nobody leads after {wait:g} s")
            break
        handovers.append(handover)
        show(
            f"round {number}: epoch {term.epoch} ({term.replica}) ended, epoch {handover.next.epoch}"
            f" ({handover.next.replica}) began; nobody led for {handover.nobody_led_ms:.1f} ms"
        )
    return judge_live(handovers, rounds=rounds, terms=_terms(handovers))


def judge_live(handovers: list[Handover], *, rounds: int, terms: list[TermRow]) -> Verdict:
    most = leaders_max_of(terms)
    figures = {
        "mode": "live",
        "rounds": len(handovers),
        "takeover_ms": spread(sorted(handover.nobody_led_ms for handover in handovers)),
        "duplicates": None,
        "lost": None,
        "leaders_max": most,
        "late_commits_refused": None,
    }
    complaints = [
        (len(handovers) < rounds, f"only {len(handovers)} of {rounds} rounds were done"),
        (most > 1, f"there were {most} leaders at one time"),
    ]
    return Verdict(figures, [sentence for wrong, sentence in complaints if wrong])


def leaders_max_of(terms: list[TermRow]) -> int:
    """As the demo counts them, by the terms alone."""
    if not terms:
        return 0
    start = terms[0].started_at
    return leaders_max(
        History(
            jobs=[],
            rows=[],
            skips=[],
            tries=[],
            deliveries=[],
            terms=terms,
            started_at=start,
            stopped_at=start,
        )
    )


def _terms(handovers: list[Handover]) -> list[TermRow]:
    if not handovers:
        return []
    columns = ("epoch", "started_at", "heartbeat_at", "ended_at", "end_reason", "replica")
    rows = LeaderTerm.objects.filter(epoch__gte=handovers[0].ended.epoch).order_by("epoch")
    return [TermRow(*row) for row in rows.values_list(*columns)]


def _wait_until_settled() -> None:
    deadline = time.monotonic() + _SETTLED_WITHIN
    while read_report().leader is None and time.monotonic() < deadline:
        time.sleep(0.05)
