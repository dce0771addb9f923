// The runs of a window, newest first and no more than are drawn; once read, only what is new is asked for.
import { get } from "../kit/api.js";

// At most, of executions: a row is some 600 bytes, and a page shall not bring more than 300 kB.
const DRAWN = 200;
const NEW = 25, RUNNING = 50, SKIPS = 50;

/** A run as it is drawn: {key, id, job, title, status, from, to (null: still running), due, row}; times in milliseconds. */
function drawn(row) {
    const skipped = row.status === "skipped";
    const from = Date.parse(skipped ? row.scheduled_for : row.execution_date);
    const took = row.execution_time_ms;
    return {
        key: String(row.id), id: row.id, status: row.status, due: Date.parse(row.scheduled_for), row,
        job: row.job_id ?? `- ${row.task.task_title}`, title: row.task.task_title,
        from, to: skipped ? Date.parse(row.scheduled_until) : row.status === "running" ? null : from + (took ?? 0),
    };
}

/** `read(span)` resolves to {runs, total, drawn, oldest, running, skips, more}; `more` are skips or running ones that are left out. */
export function runsOf() {
    let of = null, finished = new Map(), total = 0;

    async function page(since, limit) {
        const answer = await get("execution-logs", { since, limit });
        total = answer.total_count;
        return answer;
    }

    return async function read(span, now) {
        const since = new Date(now - span).toISOString();
        const whole = of !== span;
        const [done, running, skipped] = await Promise.all([
            page(since, whole ? DRAWN : NEW),
            get("execution-logs", { status: "running", since, limit: RUNNING }),
            get("execution-logs", { status: "skipped", since, limit: SKIPS }),
        ]);
        const before = whole ? new Map() : finished;
        // The new ones join what is known. With none in common, more has ended than was asked for; so it has where one
        // that ran is no longer running and not among the newest.
        const joined = done.logs.some(row => before.has(row.id)) || done.logs.length < NEW || whole;
        let logs = done.logs;
        if (!joined || ended(read.running, running.logs, done.logs, before)) logs = (await page(since, DRAWN)).logs;
        const known = new Map([...logs, ...before.values()].map(row => [row.id, row]));
        const kept = [...known.values()].filter(row => Date.parse(row.scheduled_for) >= now - span)
            .sort((a, b) => b.scheduled_for.localeCompare(a.scheduled_for) || b.id - a.id).slice(0, DRAWN);
        finished = new Map(kept.map(row => [row.id, row]));
        read.running = new Set(running.logs.map(row => row.id));
        of = span;
        const live = running.logs.filter(row => !finished.has(row.id));
        return {
            runs: [...kept, ...live, ...skipped.logs].map(drawn), total, drawn: kept.length, oldest: kept.at(-1)?.scheduled_for, running: live.length,
            skips: skipped.logs.reduce((sum, row) => sum + row.count, 0),
            more: running.has_more || skipped.has_more,
        };
    };
}

function ended(ran, running, done, known) {
    if (!ran) return false;
    const still = new Set([...running, ...done].map(row => row.id));
    return [...ran].some(id => !still.has(id) && !known.has(id));
}
