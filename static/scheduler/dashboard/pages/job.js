// One job: what it is, what comes, what was, and why it did not run.
import { get } from "../kit/api.js";
import { fill, find, h, icon, renew } from "../kit/dom.js";
import { openAddressed } from "../kit/execution.js";
import { jobTools } from "../kit/job_actions.js";
import { live } from "../kit/live.js";
import { badge } from "../kit/outcomes.js";
import { empty, failed } from "../kit/states.js";
import { facts, notice, stopOf } from "./job_facts.js";
import { executions } from "./job_runs.js";
import { lastRuns, nextRuns } from "./job_times.js";
import { backfillForm, prepare, whyForm } from "./job_why.js";

const id = find("#job").dataset.job;
const [head, wait, parts] = ["#head", "#wait", "#parts"].map(name => find(name));
const list = `${document.documentElement.dataset.pages}jobs/`;
const readRuns = executions(find("#runs"), id);
let job = null, leaving = false;

/** An answer or the ApiError in its place: a part that cannot be read does not take the page with it. */
async function attempt(asked) {
    try {
        return await asked;
    } catch (error) {
        if (error.detail === undefined) throw error;
        return error;
    }
}

async function read() {
    if (leaving) return;
    const [now, next, runs] = await Promise.all([
        attempt(get(`jobs/${id}`)), attempt(get(`jobs/${id}/next-runs`, { count: 10 })), attempt(get("jobs/outcomes", { job_id: id, count: 50 }))]);
    if (leaving) return;
    if (now instanceof Error) {
        if (now.status === 404) await missing();
        else if (now.status === 403) alone("This job belongs to another user", "You see your own jobs", "Admins and owners see everybody's.");
        else if (!job) fill(wait, failed(now, read));
        return;
    }
    const stopped = await stopOf(now);
    job = now;
    document.title = document.title.replace(/^.*(?= · )/, () => job.name);
    renew(head, [job.name, job.status, job.version, job.frequency], () => headOf(job));
    renew(find("#notice"), [job.status, job.version, job.consecutive_failures, job.failure_reason, job.quarantine_reason, stopped], () => notice(job, stopped));
    renew(find("#facts"), job, () => keepOpen(facts(job)));
    nextRuns(find("#next"), job, next, stopped?.cool_off_until);
    lastRuns(find("#strip"), runs instanceof Error ? runs : runs.outcomes[id] ?? []);
    show(true);
}

function show(all) {
    wait.parentElement.hidden = all;
    parts.hidden = !all;
}

function headOf({ name, status, frequency }) {
    return [
        h("div", {}, h("p", { class: "small" }, h("a", { href: list }, "Jobs")),
            h("h1", { class: "job-title" }, name, " ", badge(status)), h("p", { class: "soft" }, frequency)),
        h("div", { class: "actions" }, jobTools(job, { words: true, gone })),
    ];
}

/** The payload stays open when the facts are drawn anew. */
function keepOpen(built) {
    const before = find("#facts details");
    for (const one of built) if (one.tagName === "DETAILS" && before?.open) one.open = true;
    return built;
}

function gone() {
    leaving = true;
    setTimeout(() => location.assign(list), 1500);
}

/** A job that was deleted still says what it did; one that never was, or is another tenant's, is nothing here. */
async function missing() {
    const trace = await attempt(get(`jobs/${id}/why`, { at: new Date().toISOString() }));
    if (trace instanceof Error) {
        if (trace.status === 404) alone("There is no such job", `No job has the number ${id}`, "It may never have been, or belong to somebody whose jobs you may not see.");
        else if (!job) fill(wait, failed(trace, read));
        return;
    }
    const ran = job ? {} : await attempt(get("execution-logs", { job_id: id, limit: 1 }));
    const name = job?.name ?? ran.logs?.[0]?.task.task_title ?? `Job ${id}`;
    renew(head, ["deleted", name], () => [h("div", {}, h("p", { class: "small" }, h("a", { href: list }, "Jobs")),
        h("h1", { class: "job-title" }, name, " ", h("span", { class: "badge" }, "Deleted")), h("p", { class: "soft" }, trace.frequency))]);
    renew(find("#notice"), "deleted", () => h("div", { class: "notice job-notice" }, h("p", {}, h("strong", {}, "This job was deleted.")), h("p", {}, "It does not run again. What it did stays here as long as its history is kept.")));
    for (const name of ["#facts", "#next", "#strip", "#backfill"]) find(name)?.closest("section").setAttribute("hidden", "");
    show(true);
}

function alone(title, heading, text) {
    show(false);
    renew(head, title, () => h("h1", {}, title));
    fill(wait, empty(heading, text, { name: "search", action: h("a", { class: "button", href: list }, icon("previous"), "All jobs") }));
}

prepare();
const askAddressed = whyForm(id);
if (find("#backfill-form")) backfillForm(() => job);
// Its executions follow the pulse; the rest, which is more to ask for, follows it more slowly.
live(readRuns);
live(read, 4000).then(() => {
    if (parts.hidden) return;
    askAddressed();
    openAddressed();
});
