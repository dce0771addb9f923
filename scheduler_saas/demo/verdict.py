"""The judgement: what was due against what the ledger says, what the receiver saw, and who led. Pure.

- *due*: the ticks that the oracle finds in the definitions, up to the stop instant. A job's window begins at `after`,
  when it had been saved, so every tick of it is the scheduler's business.
- *outcomes*: ledger rows, ticks inside skip ranges, and executions still waiting, at due ticks.
- *lost*: due ticks without an outcome. *unexpected*: outcomes at instants that were not due at all.
- *duplicates*: ticks with a second outcome, and deliveries that the receiver had no reason to get twice.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from scheduler_saas.demo.oracle import due_between
from scheduler_saas.demo.timing import first_dispatch_ms, in_takeover, lags_of, leaders_max
from scheduler_saas.demo.witnesses import History

Tick = tuple[int, datetime]


@dataclass(slots=True)
class Verdict:
    figures: dict[str, Any]
    complaints: list[str] = field(default_factory=list)

    @property
    def good(self) -> bool:
        return not self.complaints


def judge(history: History, *, least_per_second: float) -> Verdict:
    """Every figure, and a sentence for each thing that must not be."""
    due, lawful = _due_ticks(history)
    seen = _outcomes(history)
    outcomes = sum(count for tick, count in seen.items() if tick in due)
    lost = [tick for tick in due if tick not in seen]
    unexpected = [tick for tick in seen if tick not in lawful]
    twice = [tick for tick, count in seen.items() if count > 1]
    repeats = _repeated_deliveries(history)
    unknown, unseen = _unmatched_deliveries(history)
    finished = [row for row in history.rows if row.status != "pending"]
    statuses = Counter(row.status for row in history.rows if (row.job_id, row.scheduled_for) in due)
    pending = sum(row.status == "pending" for row in history.rows)
    seconds = (history.stopped_at - history.started_at).total_seconds()
    per_second = (
        sum(row.scheduled_for <= history.stopped_at for row in finished) / seconds if seconds > 0 else 0.0
    )
    lags = lags_of(history.rows)
    outside = lags_of([row for row in history.rows if not in_takeover(row, history.faults)])
    dispatched_again = [first_dispatch_ms(history, fault) for fault in history.faults]
    forged = sum(not delivery.signature_ok for delivery in history.deliveries)
    figures: dict[str, Any] = {
        "due": len(due),
        "outcomes": outcomes,
        "succeeded": statuses["success"],
        "failed": statuses["failed"],
        "skipped": sum(skip.count for skip in history.skips),
        "pending": pending,
        "duplicates": len(twice) + len(repeats),
        "lost": len(lost),
        "unexpected": len(unexpected),
        "leaders_max": leaders_max(history),
        "takeover_ms": dispatched_again[0] if dispatched_again else None,
        "lag_ms": lags,
        "lag_outside_takeover_ms": outside,
        "executions_per_second": round(per_second, 1),
        "http_received": len(history.deliveries),
        "http_unknown": len(unknown),
        "http_unseen": len(unseen),
        "bad_signatures": forged,
        "retries": sum(row.attempts > 1 for row in finished),
        "jobs": len(history.jobs),
        "terms": len(history.terms),
        "seconds": round(seconds, 1),
    }
    complaints = [
        (lost, f"{len(lost)} due ticks have no outcome: {_some(lost)}"),
        (twice, f"{len(twice)} ticks have more than one outcome: {_some(twice)}"),
        (unexpected, f"{len(unexpected)} outcomes are at instants that were not due: {_some(unexpected)}"),
        (repeats, f"the receiver got {len(repeats)} deliveries too many: {_some(repeats)}"),
        (unknown, f"the receiver got executions that the ledger does not know: {_some(unknown)}"),
        (unseen, f"the ledger has successful deliveries that the receiver never got: {_some(unseen)}"),
        (pending, f"{pending} executions were still waiting at the end"),
        (figures["leaders_max"] > 1, f"there were {figures['leaders_max']} leaders at one time"),
        (not history.terms, "nobody ever led"),
        (forged, f"{forged} signatures did not verify"),
        (not due, "nothing was due"),
        (
            per_second < least_per_second,
            f"{per_second:.1f} executions a second are fewer than {least_per_second:g}",
        ),
        (None in dispatched_again, "the leader met a fault and nobody took over"),
    ]
    return Verdict(figures, [sentence for wrong, sentence in complaints if wrong])


def _due_ticks(history: History) -> tuple[set[Tick], set[Tick]]:
    """What had to have an outcome, and what may have one: also ticks during the saving and after the stop."""
    latest = max(
        [history.stopped_at, *(row.scheduled_for for row in history.rows), *(s.last for s in history.skips)]
    )
    due: set[Tick] = set()
    lawful: set[Tick] = set()
    for job in history.jobs:
        ticks = due_between(job.definition, job.before, latest)
        lawful.update((job.id, tick) for tick in ticks)
        due.update((job.id, tick) for tick in ticks if job.after < tick <= history.stopped_at)
    return due, lawful


def _outcomes(history: History) -> Counter[Tick]:
    """How often each tick is accounted for. A skip range covers the oracle's ticks in it; if it counts others than
    those, the difference shows at its first tick."""
    seen: Counter[Tick] = Counter((row.job_id, row.scheduled_for) for row in history.rows)
    definitions = {job.id: job.definition for job in history.jobs}
    instant = timedelta(microseconds=1)
    for skip in history.skips:
        covered = due_between(definitions[skip.job_id], skip.first - instant, skip.last)
        seen.update((skip.job_id, tick) for tick in covered)
        if skip.count != len(covered) or skip.first not in covered:
            seen[(skip.job_id, skip.first)] += 1
    return seen


def _repeated_deliveries(history: History) -> list[str]:
    """Deliveries beyond the first of a tick, unless a failed, lost or released attempt explains the next one."""
    failed = {(t.execution_id, t.attempt) for t in history.tries if t.outcome != "success"}
    repeats: list[str] = []
    executions: dict[tuple[str, str, datetime], int] = {}
    attempts: dict[tuple[str, int], list[int]] = {}
    for delivery in history.deliveries:
        first = executions.setdefault(
            (delivery.tenant, delivery.job, delivery.scheduled_for), delivery.execution_id
        )
        if first != delivery.execution_id:
            repeats.append(f"executions {first} and {delivery.execution_id} of one tick")
        before = attempts.setdefault((delivery.tenant, delivery.execution_id), [])
        if any(
            earlier == delivery.attempt or (delivery.execution_id, earlier) not in failed
            for earlier in before
        ):
            repeats.append(f"execution {delivery.execution_id}, attempt {delivery.attempt}")
        before.append(delivery.attempt)
    return repeats


def _unmatched_deliveries(history: History) -> tuple[list[int], list[int]]:
    """Executions that only the receiver knows, and successful deliveries that only the ledger knows."""
    received = {delivery.execution_id for delivery in history.deliveries}
    known = {row.execution_id for row in history.rows} | history.others
    sent = {
        row.execution_id for row in history.rows if row.target == "http_request" and row.status == "success"
    }
    return sorted(received - known), sorted(sent - received)


def _some(items: Sequence[object], most: int = 3) -> str:
    shown = [
        f"job {item[0]} at {item[1].isoformat()}" if isinstance(item, tuple) else str(item)
        for item in items[:most]
    ]
    return ", ".join(shown) + (", …" if len(items) > most else "")
