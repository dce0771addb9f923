// A job's executions, newest first, each of which opens in the drawer.
import { get } from "../kit/api.js";
import { find, h, renew } from "../kit/dom.js";
import { openExecution } from "../kit/execution.js";
import { pager, query, setQuery, table } from "../kit/lists.js";
import { badge, REASONS } from "../kit/outcomes.js";
import { empty, reading } from "../kit/states.js";
import { number, span, time } from "../kit/time.js";

const LIMIT = 20;
let shown = [];  // by the list, for the arrows of the drawer
const KINDS = { manual: "By hand", retry: "Retry", backfill: "Backfill" };

/** `read()` of the list of `jobId` in `element`; which ones and which page are in the address. */
export function executions(element, jobId) {
    const which = find("#runs-status");
    which.value = query().executions ?? "";
    const read = reading(element, () => get("execution-logs", { job_id: jobId, status: query().executions, offset: query().offset, limit: LIMIT }), show);

    function again() {
        element.removeAttribute("data-read");
        return read();
    }

    function show(page) {
        shown = page.logs;
        renew(element, page, () => {
            if (!page.logs.length) return empty("Nothing here", which.value ? "No execution of this kind is recorded." : "It has not finished a run yet.");
            return [table("Executions of this job", page.logs[0].status === "skipped" ? SKIPPED : RAN, page.logs), pager(page, move, which.value === "skipped" ? "ranges" : "executions")];
        });
    }

    async function move(offset) {
        setQuery({ offset: offset || null }, { push: true });
        await again();
        find("#runs-title").scrollIntoView({ block: "nearest" });
    }

    which.addEventListener("change", () => {
        setQuery({ executions: which.value, offset: null });
        again();
    });
    window.addEventListener("popstate", () => {
        which.value = query().executions ?? "";
        again();
    });
    return read;
}

const RAN = [
    { name: "Scheduled for", build: log => opener(log, time(log.scheduled_for), siblings) },
    { name: "Outcome", build: log => badge(log.state === "pending" ? "pending" : log.status) },
    { name: "Kind", build: log => KINDS[log.kind] ?? "Scheduled" },
    { name: "Attempts", number: true, build: log => number(log.attempt) },
    { name: "Took", number: true, build: log => span(log.execution_time_ms) },
    { name: "What it said", build: log => log.error_message && h("span", { class: "cut", title: log.error_message }, log.error_message) },
];
const SKIPPED = [
    { name: "From", build: log => opener(log, time(log.scheduled_for), siblings) },
    { name: "To", build: log => time(log.scheduled_until) },
    { name: "Times", number: true, build: log => number(log.count) },
    { name: "Why", build: log => h("span", {}, REASONS[log.reason] ?? log.reason, log.error_message && ` (${log.error_message})`) },
];

function siblings() {
    return shown;
}

/** A button that opens the execution of `log` (or the one with its id) in the drawer. */
export function opener(log, words, others = () => []) {
    return h("button", { type: "button", class: "row-button", onclick: () => openExecution(log, { siblings: others }) }, words);
}
