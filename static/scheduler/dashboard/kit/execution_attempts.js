// The tries of one execution as bars to scale, each with what became of it.
import { h } from "./dom.js";
import { span, time } from "./time.js";

const WORDS = {
    failed: "Failed", lost: "Lost: its worker stopped renewing the lease", timeout: "Timed out", cancelled: "Cancelled",
    released: "Cut short, and handed back by its worker", success: "Succeeded", running: "Running",
};

/** Earlier tries come from `log.attempts`; the last one is the execution itself. Nothing for one that needed a single try. */
export function attempts(log) {
    const last = log.state === "pending" ? [] : [{
        attempt: log.attempt, outcome: log.state === "finished" ? log.status : "running", started_at: log.execution_date,
        finished_at: log.state === "finished" ? iso(at(log.execution_date) + (log.execution_time_ms ?? 0)) : null,
        worker: log.worker, error_message: log.error_message }];
    const tries = [...log.attempts, ...last.filter(one => !log.attempts.some(other => other.attempt === one.attempt))];
    if (tries.length < 2) return null;
    const begin = Math.min(...tries.filter(one => one.started_at).map(one => at(one.started_at)));
    const end = Math.max(...tries.map(one => (one.finished_at ? at(one.finished_at) : Date.now())));
    const whole = Math.max(1, end - begin);
    return h("section", { class: "attempts" }, h("h3", {}, `${tries.length} attempts`), h("ol", {}, tries.map(one => line(one, begin, whole))));
}

function line(one, begin, whole) {
    const from = one.started_at ? at(one.started_at) : begin;
    const until = one.finished_at ? at(one.finished_at) : Date.now();
    const bar = h("i", { class: one.outcome === "success" ? "success" : one.outcome === "running" ? "running" : "failed" });
    bar.style.marginInlineStart = `${((from - begin) / whole) * 98}%`;
    bar.style.width = `${Math.max(2, ((until - from) / whole) * 100)}%`;
    return h("li", {},
        h("p", {}, h("strong", {}, `${one.attempt}. `), WORDS[one.outcome] ?? one.outcome, one.started_at && [", ", time(one.started_at, "clock"), `, ${span(until - from)}`],
            one.worker && h("span", { class: "soft" }, ` on ${one.worker}`)),
        h("div", { class: "attempt-bar", "aria-hidden": "true" }, bar),
        one.error_message && h("p", { class: "soft small" }, one.error_message));
}

const at = value => new Date(value).getTime();
const iso = milliseconds => new Date(milliseconds).toISOString();
