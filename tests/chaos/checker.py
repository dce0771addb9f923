"""Judges a history after the fact. Each check is a pure function that lists what it found wrong, for a person to read.

The order of terms and the fence are `terms` and `commits`; one ledger row a tick is `once`; an outcome for each tick
that came due, and one only, is `every_tick`; the queue's end is `drained`; at-least-once with each repeat explained is
`attempts`, `ends` and `runs`, and over HTTP `webhooks`; `books` are the totals that people see, and `repairs` what
reconcile says of them. What was committed before the server crashed is there after it: `durable`. No tenant's words
come to another: `leaks`.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from datetime import datetime, timedelta
from itertools import pairwise

from tests.chaos.history import History, Job, Text

MAX_ATTEMPTS, MAX_LOST = 3, 3  # the jobs', and the product's
LAG = timedelta(seconds=3)  # how far a healthy leader may be behind when it is told to stop


def check(history: History) -> list[str]:
    found = []
    for judge in JUDGES:
        found += [f"{judge.__name__}: {wrong}" for wrong in judge(history)]
    return found


def terms(history: History) -> list[str]:
    """Strictly ordered, each over before the next begins."""
    wrong = [] if history.terms else ["nobody ever led"]
    for one, two in pairwise(sorted(history.terms, key=lambda term: term.epoch)):
        if two.epoch <= one.epoch or two.term_id == one.term_id:
            wrong.append(f"epoch {two.epoch} is no new term after {one.epoch}")
        if one.ended_at is None:
            wrong.append(f"epoch {one.epoch} never ended, yet {two.epoch} began")
        elif two.started_at < one.ended_at:
            wrong.append(f"epoch {two.epoch} began at {two.started_at}, before {one.epoch} ended")
    return wrong


def commits(history: History) -> list[str]:
    """In commit order: a term is opened when none is, with a higher epoch; executions and skips are of the open one."""
    opened = [commit.epoch for commit in history.commits if commit.what == "opened"]
    wrong = [] if len(opened) == len(history.terms) else [f"{len(history.terms)} terms, heard of {opened}"]
    if history.ledger and all(commit.what != "dispatched" for commit in history.commits):
        wrong.append("heard of no dispatch")
    open_term: int | None = None
    highest = 0
    for number, commit in enumerate(history.commits):
        if commit.what == "opened":
            if open_term is not None:
                wrong.append(f"commit {number}: epoch {commit.epoch} opened while {open_term} was open")
            if commit.epoch is None or commit.epoch <= highest:
                wrong.append(f"commit {number}: epoch {commit.epoch} opened after {highest}")
            open_term = commit.epoch
            highest = max(highest, commit.epoch or 0)
        elif commit.what == "ended":
            open_term = None if commit.epoch == open_term else open_term
        elif commit.epoch != open_term:
            wrong.append(f"commit {number}: epoch {commit.epoch} {commit.what} while {open_term} was open")
    return wrong


def once(history: History) -> list[str]:
    """At most one ledger row a tick, and one execution."""
    ticks = Counter((row.job_id, row.scheduled_for) for row in history.ledger)
    ids = Counter(row.id for row in history.ledger)
    wrong = [f"job {job} at {at}: {n} ledger rows" for (job, at), n in ticks.items() if n > 1]
    return wrong + [f"execution {id_}: {n} ledger rows" for id_, n in ids.items() if n > 1]


def every_tick(history: History) -> list[str]:
    """Each tick from the job's beginning to its cursor has one outcome, nothing else any; the cursor is at the end."""
    wrong = []
    outcomes: dict[int, Counter[datetime]] = defaultdict(Counter)
    for row in history.ledger:
        outcomes[row.job_id][row.scheduled_for] += 1
    steps = {job.id: timedelta(seconds=job.seconds) for job in history.jobs}
    for skip in history.skips:
        step = steps.get(skip.job_id, timedelta(seconds=1))
        if skip.first + (skip.count - 1) * step != skip.last:
            wrong.append(f"job {skip.job_id}: {skip.count} skipped from {skip.first} to {skip.last}")
        for n in range(skip.count):
            outcomes[skip.job_id][skip.first + n * step] += 1
    for job in history.jobs:
        if job.next_run_at is None or job.next_run_at < history.stopped_at - LAG:
            wrong.append(f"job {job.id}: the cursor was left at {job.next_run_at}")
            continue
        had = outcomes.pop(job.id, Counter())
        due = _ticks(job, job.next_run_at)
        wrong += [f"job {job.id} at {at}: no outcome" for at in due if not had[at]]
        wrong += [f"job {job.id} at {at}: {n} outcomes" for at, n in had.items() if n > 1]
        wrong += [f"job {job.id} at {at}: an outcome of no due tick" for at in had.keys() - set(due)]
    return wrong + [f"job {job_id}: outcomes of an unknown job" for job_id in outcomes]


def drained(history: History) -> list[str]:
    return [f"{history.live} executions are left"] if history.live else []


def attempts(history: History) -> list[str]:
    """Numbered from one without a gap; only the last may have succeeded, and it did if the ledger says so."""
    wrong = []
    tried: dict[int, list[tuple[int, str]]] = defaultdict(list)
    for attempt in history.attempts:
        tried[attempt.execution_id].append((attempt.attempt, attempt.outcome))
    for row in history.ledger:
        mine = sorted(tried.pop(row.id, []))
        numbers = [number for number, _ in mine]
        if numbers != list(range(1, row.attempts + 1)):
            wrong.append(f"execution {row.id}: {row.attempts} attempts, recorded are {numbers}")
            continue
        succeeded = [number for number, outcome in mine if outcome == "success"]
        if succeeded != ([row.attempts] if row.status == "success" else []):
            wrong.append(f"execution {row.id}: {row.status}, but attempts {succeeded} succeeded")
    return wrong + [f"execution {id_}: attempts of an execution without an end" for id_ in tried]


def runs(history: History) -> list[str]:
    """No more runs than the attempts explain, none for nothing; a success is of the run that held the lease."""
    ledger = {row.id: row for row in history.ledger}
    ran = Counter((run.execution_id, run.attempt) for run in history.runs)
    wrong = [f"execution {id_}, attempt {number}: ran {n} times" for (id_, number), n in ran.items() if n > 1]
    recorded = {(attempt.execution_id, attempt.attempt) for attempt in history.attempts}
    wrong += [f"execution {id_}, attempt {number}: ran, unrecorded" for id_, number in ran.keys() - recorded]
    by_tick: dict[tuple[int, datetime], set[int]] = defaultdict(set)
    for run in history.runs:
        by_tick[run.job_id, run.scheduled_for].add(run.execution_id)
    wrong += [
        f"job {job} at {at}: ran as executions {sorted(ids)}"
        for (job, at), ids in by_tick.items()
        if len(ids) > 1
    ]
    for row in ledger.values():
        if row.status == "success" and not ran[row.id, row.attempts]:
            wrong.append(f"execution {row.id}: succeeded at attempt {row.attempts} without running")
        if row.status == "success" and (came_of := history.results.get(row.id)) != row.attempts:
            wrong.append(f"execution {row.id}: attempt {row.attempts} ended with the result of {came_of}")
    return wrong


def books(history: History) -> list[str]:
    """Counters and totals agree with the rows they count."""
    wrong = []
    statuses = Counter(row.status for row in history.ledger)
    if statuses != Counter(history.counted):
        wrong.append(f"the ledger has {dict(statuses)}, the counters {history.counted}")
    skipped = sum(skip.count for skip in history.skips)
    found = len(history.ledger) + history.live + skipped
    if history.totals != {"found": found, "skipped": skipped}:
        wrong.append(f"found {found} and skipped {skipped}, the totals say {history.totals}")
    return wrong


def durable(history: History) -> list[str]:
    """What the ledger once said it still says."""
    lost = history.witnessed - set(history.ledger)
    return [f"execution {row.id}: {row.status} after {row.attempts} attempts, before a crash" for row in lost]


def ends(history: History) -> list[str]:
    """A failure is of the last attempt there was to make; only who was told to stop hands back what had begun."""
    wrong = []
    outcomes: dict[int, Counter[str]] = defaultdict(Counter)
    for attempt in history.attempts:
        outcomes[attempt.execution_id][attempt.outcome] += 1
        told = history.told_to_stop
        if attempt.outcome == "released" and told is not None and attempt.worker not in told:
            wrong.append(
                f"execution {attempt.execution_id}: released by {attempt.worker}, which was not told to stop"
            )
    for row in history.ledger:
        had = outcomes[row.id]
        failures = had["failed"] + had["timeout"]
        if row.status == "failed" and failures < MAX_ATTEMPTS and had["lost"] < MAX_LOST:
            wrong.append(f"execution {row.id}: given up after {dict(had)}")
        if failures > MAX_ATTEMPTS or had["lost"] > MAX_LOST:
            wrong.append(f"execution {row.id}: not given up after {dict(had)}")
    return wrong


def repairs(history: History) -> list[str]:
    """Whatever strikes leaves no drift, not for a moment: reconcile finds nothing to repair."""
    return [f"reconcile found drift: {line}" for line in history.repairs if json.loads(line)["found"]]


def webhooks(history: History) -> list[str]:
    """Signed by the tenant whose execution it is; a repeat has the id of the first, and nothing else has."""
    wrong = []
    tenants = {row.id: row.tenant for row in history.ledger}
    ids: dict[str, int] = {}
    by_execution: dict[int, str] = {}
    for delivery in history.deliveries:
        what = f"execution {delivery.execution_id}, attempt {delivery.attempt}, at {delivery.tenant}"
        if not delivery.genuine:
            wrong.append(f"{what}: its signature does not hold, or not now")
        if tenants.get(delivery.execution_id) != delivery.tenant:
            wrong.append(f"{what}: it is no execution of that tenant")
        if ids.setdefault(delivery.webhook_id, delivery.execution_id) != delivery.execution_id:
            wrong.append(f"{what}: has the webhook-id of execution {ids[delivery.webhook_id]}")
        if by_execution.setdefault(delivery.execution_id, delivery.webhook_id) != delivery.webhook_id:
            wrong.append(f"{what}: has another webhook-id than before")
    return wrong


def leaks(history: History) -> list[str]:
    """Each tenant's canary is found by that tenant, in outputs or requests, and by nobody else anywhere."""
    wrong = []
    found: set[tuple[str, str]] = set()
    requests = [Text(delivery.tenant, "a request", delivery.text) for delivery in history.deliveries]
    for text in history.texts + requests:
        for tenant in (tenant for tenant, canary in history.canaries.items() if canary in text.words):
            if tenant == text.tenant:
                found.add((tenant, "requests" if text.where == "a request" else "outputs"))
            else:
                wrong.append(f"{tenant}'s words in {text.where} of {text.tenant or 'all'}")
    if not history.canaries:
        return wrong
    # A check that sees nothing finds nothing.
    wrong += [
        f"{tenant}'s own words are nowhere" for tenant in history.canaries.keys() - {who for who, _ in found}
    ]
    return wrong + [
        f"no words in {where}" for where in {"outputs", "requests"} - {where for _, where in found}
    ]


JUDGES = (
    terms,
    commits,
    once,
    every_tick,
    drained,
    attempts,
    ends,
    runs,
    webhooks,
    books,
    repairs,
    durable,
    leaks,
)


def _ticks(job: Job, until: datetime) -> list[datetime]:
    step = timedelta(seconds=job.seconds)
    count = -((job.anchor - until) // step)  # rounded up: `until` itself is still to come
    ticks = (job.anchor + n * step for n in range(count))
    return [at for at in ticks if at >= job.since]
