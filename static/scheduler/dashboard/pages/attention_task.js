// One job that needs a person: why, what its failures have in common, what to do next, and the buttons for it.
import { fill, h, icon } from "../kit/dom.js";
import { strip } from "../kit/outcomes.js";
import { number, time } from "../kit/time.js";
import { jobPage, mayWrite, seesTenant } from "../kit/viewer.js";

export const CRITICAL_IN_A_ROW = 10; // as the API's summary has it

const HINTS = [
    [/answered 5\d\d/, "The endpoint reports an error of its own: its log says more."],
    [/answered 40[13]/, "The endpoint refuses the request: check the credentials that the job sends."],
    [/answered 404/, "There is nothing at the job's address: check it."],
    [/answered 429/, "The endpoint asks for fewer requests: run the job less often."],
    [/answered 3\d\d/, "The endpoint has moved: give the job its new address."],
    [/no connection/, "The endpoint cannot be reached: check that it is up and that its address is right."],
    [/timed out|in time|longer than/, "It does not finish in its time: make it quicker, or give it a longer timeout."],
    [/may be called|may not be sent/, "The address or the request is not allowed from here: edit the job."],
    [/secret|parameters/, "What the job is given does not fit: edit the job."],
];

/** What is wrong with `task`: {kind, word, stopped, why: nodes, next: sentence}. */
export function trouble(task) {
    const { consecutive_failures: row, failure_reason: reason } = task.failure_pattern;
    const failures = `${number(row)} ${row === 1 ? "failure" : "failures"} in a row`;
    const hint = HINTS.find(([pattern]) => pattern.test(reason || ""))?.[1] ?? "Its last executions say what went wrong.";
    if (task.quarantined_at) return {
        kind: "quarantined", word: "Quarantined", stopped: true,
        why: ["Quarantined since ", time(task.quarantined_at, "short"), `, because its schedule cannot be worked out: ${sentence(reason)}`],
        next: "It does not run by its schedule until somebody acts. Edit its schedule, or resume it if what was wrong is gone.",
    };
    if (task.status === "paused") return /410|gone/i.test(reason || "") ? {
        kind: "gone", word: "Endpoint gone", stopped: true,
        why: ["Paused by the scheduler, because its endpoint answered 410 Gone."],
        next: "Give it an address that answers, then resume it. If the endpoint is gone for good, delete the job.",
    } : {
        kind: "paused", word: "Paused", stopped: true,
        why: [`Paused, after ${failures}.`], next: `${hint} Resume it when that is mended.`,
    };
    if (task.cool_off_until) return {
        kind: "cooling", word: "Cooling off", stopped: true,
        why: [`Cooling off after ${failures}, until `, time(task.cool_off_until, "short"), " (", time(task.cool_off_until, "ago"), "). What is due before then is skipped."],
        next: `${hint} When it is mended, run it now: a success ends the cool-off. Otherwise it tries once by itself then.`,
    };
    return {
        kind: "failing", word: "Failing", stopped: false,
        why: [`${failures}. It goes on by its schedule.`],
        next: `${hint} When it is mended, run it now: a success ends the row.`,
    };
}

/** The contents of a card. `tools` has run, resume, pause (each takes the task); `pick` is {has(id), set(id, on)}. */
export function taskCard(task, outcomes, tools, pick) {
    const { kind, word, why, next } = trouble(task);
    const name = h("a", { href: jobPage(task.task_id), id: `task-${task.task_id}` }, task.task_title);
    const tick = mayWrite && h("input", {
        type: "checkbox", "aria-label": `Select ${task.task_title}`, checked: pick.has(task.task_id),
        onchange: event => pick.set(task.task_id, event.currentTarget.checked) });
    return [
        h("div", { class: `task ${kind}` },
            h("div", { class: "task-head" }, tick, h("h3", {}, name), h("span", { class: `badge ${badgeOf(kind)}` }, word)),
            h("p", {}, why),
            facts(task, outcomes),
            h("p", { class: "task-next" }, h("strong", {}, "What to do: "), next),
            mayWrite && h("div", { class: "actions" }, buttons(task, kind, tools))),
    ];
}

function facts(task, outcomes) {
    const { recent_failures: recent, error_patterns: errors, last_failure_time: last } = task.failure_pattern;
    const runs = h("span", { class: "task-runs" });
    fill(runs, outcomes ? strip(outcomes) : h("span", { class: "strip" }));
    const others = errors.slice(1);
    return h("dl", { class: "facts small" },
        fact("Last runs", runs),
        last && fact("Last failure", time(last, "ago")),
        fact("In seven days", `${number(recent)} ${recent === 1 ? "failure" : "failures"}`),
        errors.length > 0 && fact(others.length ? "Most often" : "Error", h("code", {}, errors[0])),
        others.length > 0 && fact("Also", h("details", {}, h("summary", {}, `${others.length} other ${others.length === 1 ? "error" : "errors"}`),
            h("ul", { class: "task-errors" }, others.map(text => h("li", {}, h("code", {}, text)))))),
        fact("Type", [h("code", {}, task.task_type), task.website_url && ` · ${task.website_url}`, seesTenant && task.user_id && ` · ${task.user_id}`]));
}

const fact = (name, value) => [h("dt", {}, name), h("dd", {}, value)];

function buttons(task, kind, { run, resume, pause }) {
    const named = verb => `${verb} ${task.task_title}`;
    const button = (label, symbol, act, primary) => h("button", {
        type: "button", class: `button small ${primary ? "primary" : ""}`, "aria-label": named(label), onclick: () => act(task) }, icon(symbol), label);
    const waits = kind === "quarantined" || kind === "gone" || kind === "paused";
    return [
        waits && button("Resume", "play", resume, true),
        button("Run now", "retry", run, !waits),
        h("a", { class: "button small", href: `${jobPage(task.task_id)}edit/`, "aria-label": named("Edit") }, icon("edit"), "Edit"),
        kind !== "gone" && kind !== "paused" && button("Pause", "pause", pause, false),
    ];
}

const badgeOf = kind => ({ quarantined: "failed", gone: "failed", cooling: "skipped", paused: "paused", failing: "needs_intervention" })[kind];
const sentence = text => { const said = (text || "no reason was recorded").trim(); return /[.!?]$/.test(said) ? said : `${said}.`; };
