// How things stand, in one sentence, with what to do about it.
import { find, h, renew } from "../kit/dom.js";
import { number, time } from "../kit/time.js";
import { nextOf } from "./overview_stats.js";
import { mayWrite } from "../kit/viewer.js";

const root = document.documentElement.dataset;
const WHAT_A_JOB_IS = "A job is done at given times: a request to a URL of yours, every night at half past two, say. This page tells what became of each run.";


/** `{kind, title, text, next: job, action: [label, path]}` of what was read: dashboard, hours, needing and failing (lists of jobs). */
export function verdict({ dashboard, hours, needing, failing }) {
    const { job_count: jobs, stats } = dashboard;
    if (!stats.running) return {
        kind: "failed", title: "Nobody leads: nothing is dispatched until the operator's scheduler runs.",
        text: "Your jobs are kept. What is due meanwhile is caught up or skipped, as each job says." };
    if (!jobs) return {
        kind: "", title: "There are no jobs yet.", text: WHAT_A_JOB_IS + (mayWrite ? "" : " A member, an admin or an owner can create the first."),
        action: mayWrite && ["Create your first job", "jobs/new/"] };
    if (needing?.total_count) return {
        kind: "failed", title: `${plural(needing.total_count, "job needs", "jobs need")} you: ${names(needing)}`,
        text: why(needing), action: ["See what to do", "attention/"] };
    if (failing?.total_count) return {
        kind: "skipped", title: `The last run of ${plural(failing.total_count, "job", "jobs")} failed: ${names(failing)}`,
        text: why(failing), action: ["See the failures", "executions/?status=failed"] };
    if (!needing) return { kind: "skipped", title: "Whether a job needs you could not be read.", text: "The list of jobs below says why." };
    return calm(dashboard, hours?.totals);
}

function calm(dashboard, totals) {
    const { stats } = dashboard, next = nextOf(dashboard);
    const text = next ? "" : "Nothing is due from now on.";
    if (!totals) return { kind: "success", title: "No job needs you.", text, next };
    const ran = totals.succeeded + totals.failed;
    const skipped = totals.skipped ? `${plural(totals.skipped, "due time was", "due times were")} skipped. ` : "";
    if (totals.failed) return {
        kind: "success", title: `No job needs you; ${number(totals.failed)} of ${plural(ran, "run", "runs")} failed in the last 24 hours.`,
        text: skipped + text, next, action: ["See the failures", "executions/?status=failed"] };
    if (!ran) return { kind: stats.active_strategies_count ? "success" : "", title: "No job needs you, and none has run in the last 24 hours.", text: skipped + text, next };
    return { kind: "success", title: `All is well: ${plural(ran, "run", "runs")} in the last 24 hours, and none failed.`, text: skipped + text, next };
}

export function showVerdict(known) {
    const said = known.dashboard && verdict(known);
    if (!said) return;
    find("#verdict").dataset.kind = said.kind;
    find("#main").toggleAttribute("data-new", !known.dashboard.job_count);
    const [title, text] = [find("#verdict strong"), find("#verdict-body p")];
    if (title.textContent !== said.title) title.textContent = title.title = said.title;  // read out when it changes
    renew(text, [said.text, said.next?.id, said.next?.name, said.next?.next_run_time], () => [said.text, said.next && [`${said.next.name} runs next, `, time(said.next.next_run_time, "next"), "."]]);
    renew(find("#verdict [data-action]"), [said.kind, said.action], () => said.action
        && h("a", { class: `button ${said.kind ? "" : "primary"}`, href: root.pages + said.action[1] }, said.action[0]));
}

const plural = (count, one, many) => `${number(count)} ${count === 1 ? one : many}`;

function names({ jobs, total_count: total }) {
    const shown = jobs.slice(0, 2).map(job => (job.name.length > 60 ? `${job.name.slice(0, 59)}…` : job.name));
    return shown.join(", ") + (total > shown.length ? ` and ${number(total - shown.length)} more` : "");
}

function why({ jobs: [first], total_count: total }) {
    const reason = first.quarantine_reason || first.failure_reason;
    return reason && total > 1 ? `${first.name}: ${reason}` : reason;
}
