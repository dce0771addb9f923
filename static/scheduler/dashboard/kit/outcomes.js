// Outcomes in words, badges and strips. A colour never says it alone: strips differ by height, badges by their word.
import { h } from "./dom.js";
import { local, number, span } from "./time.js";

export const WORDS = {
    success: "Succeeded", failed: "Failed", running: "Running", skipped: "Skipped", pending: "Waiting",
    active: "Active", paused: "Paused", needs_intervention: "Needs you", completed: "Done",
};
export const REASONS = {
    overlap: "The run before was still going", misfire: "Nobody led when it was due, and it was too late afterwards",
    paused: "The job was paused", quota: "The plan allowed no more runs", window: "Outside the job's window or in a blackout",
    edited: "The job was changed before it was looked at", cool_off: "The job had failed too often in a row",
};

export function badge(status) {
    return h("span", { class: `badge ${status}` }, WORDS[status] || status);
}

/** A strip of runs, oldest first, padded to `length`; `outcomes` as `jobs/outcomes` gives them. */
export function strip(outcomes, length = 20) {
    const shown = outcomes.slice(-length);
    const bars = Array.from({ length: Math.max(0, length - shown.length) }, () => h("i", { class: "none" }));
    bars.push(...shown.map(one => h("i", { class: one.status, title: sentence(one) })));
    return h("span", { class: "strip", role: "img", "aria-label": tally(shown) }, bars);
}

/** "Last 20 runs: 18 succeeded, 1 failed, 1 skipped; the last failed." */
export function tally(outcomes) {
    if (!outcomes.length) return "It has not run yet";
    const counts = Map.groupBy(outcomes, one => one.status);
    const parts = ["success", "failed", "running", "skipped"].filter(status => counts.has(status))
        .map(status => `${counts.get(status).length} ${WORDS[status].toLowerCase()}`);
    const last = WORDS[outcomes.at(-1).status].toLowerCase();
    return `Last ${outcomes.length} ${outcomes.length === 1 ? "run" : "runs"}: ${parts.join(", ")}; the last ${last}`;
}

function sentence(one) {
    const when = local(one.scheduled_for);
    if (one.status === "skipped") {
        const many = one.count > 1 ? ` (${number(one.count)} times until ${local(one.scheduled_until)})` : "";
        return `${when}: skipped, ${one.reason}${many}`;
    }
    const took = one.execution_time_ms === null ? "" : `, ${span(one.execution_time_ms)}`;
    return `${when}: ${WORDS[one.status].toLowerCase()}${took}`;
}
