"""The demo's verdict on what was due, and a drill's own on the takeovers. Pure.

`duplicates`, `lost` and `leaders_max` are `scheduler_saas.demo.verdict`'s. `takeover_ms` is from a fault to the start
of the next term, `first_dispatch_ms` from there to the first execution that a later term dispatched; both by the
database's clock. `late_commits_refused` are sessions whose leader, when it could go on, did so with what it had begun
in a term that was over; that nothing of it was committed is part of `leaders_max`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from scheduler_saas.demo.timing import first_dispatch_ms, percentile, takeover_ms
from scheduler_saas.demo.verdict import Verdict, judge
from scheduler_saas.demo.witnesses import History


def judge_drill(
    history: History,
    *,
    mode: str,
    rounds: int,
    late: int,
    bound_ms: float | None,
    stopped_standby: str | None = None,
) -> Verdict:
    """`bound_ms` is what each takeover has to keep, where the mode has such a bound."""
    demo = judge(history, least_per_second=0.0)
    takeovers = [takeover_ms(history, fault) for fault in history.faults]
    taken = sorted(ms for ms in takeovers if ms is not None)
    dispatched = sorted(
        ms for ms in (first_dispatch_ms(history, fault) for fault in history.faults) if ms is not None
    )
    figures: dict[str, Any] = {
        "mode": mode,
        "rounds": len(history.faults),
        "takeover_ms": spread(taken),
        "first_dispatch_ms": spread(dispatched),
        "bound_ms": bound_ms,
        **{name: demo.figures[name] for name in ("duplicates", "lost", "leaders_max")},
        "late_commits_refused": late,
        **{
            name: demo.figures[name] for name in ("due", "succeeded", "failed", "skipped", "retries", "terms")
        },
    }
    late_ones = [ms for ms in taken if bound_ms is not None and ms > bound_ms]
    ghosts = [term.epoch for term in history.terms if stopped_standby and term.replica == stopped_standby]
    complaints = [
        (len(history.faults) < rounds, f"only {len(history.faults)} of {rounds} rounds were done"),
        (
            late_ones,
            f"{len(late_ones)} takeovers took longer than {bound_ms} ms: up to {max(taken, default=0)} ms",
        ),
        (ghosts, f"the stopped standby led: epochs {ghosts}"),
    ]
    return Verdict(figures, [*demo.complaints, *(sentence for wrong, sentence in complaints if wrong)])


def spread(ordered: Sequence[float]) -> dict[str, float | None]:
    return {
        "p50": percentile(ordered, 0.50),
        "p99": percentile(ordered, 0.99),
        "max": ordered[-1] if ordered else None,
    }
