// The figures: each with a line that explains it.
import { find, h, renew } from "../kit/dom.js";
import { number, time } from "../kit/time.js";
import { seesTenant } from "../kit/viewer.js";

const root = document.documentElement.dataset;

export function showStats({ dashboard, hours, pulse }) {
    if (!dashboard) return;
    const { stats, job_count: jobs, recurring_jobs: recurring, one_time_jobs: once } = dashboard;
    const next = nextOf(dashboard);
    const day = hours?.totals, ran = day && day.succeeded + day.failed;
    const key = [jobs, recurring, once, next?.id, next?.name, next?.next_run_time, day, pulse?.running, pulse?.waiting, stats.active_executions, stats.running,
        stats.total_checks, stats.last_check, stats.cumulative_total_check_cycles, stats.cumulative_tasks_executed, stats.cumulative_tasks_failed];
    renew(find("#stats-body"), key, () => h("dl", { class: "stats" },
        stat(seesTenant ? "Jobs" : "Your jobs", number(jobs), `${number(recurring)} recurring, ${number(once)} one-time or by hand`),
        stat("Running now", number(pulse?.running ?? stats.active_executions), waiting(pulse?.waiting)),
        stat("Ran, last 24 h", link(ran, "executions/"), ran ? `${share(day.succeeded, ran)} succeeded` : day && "Nothing was due"),
        stat("Failed, last 24 h", link(day?.failed, "executions/?status=failed"), ran ? `${share(day.failed, ran)} of what ran` : day && "Nothing ran"),
        stat("Skipped, last 24 h", link(day?.skipped, "executions/?status=skipped"), day && skipped(day)),
        stat("Next run", next ? time(next.next_run_time, "next") : "None", next ? h("span", { class: "cut", title: next.name }, next.name) : "No job is due from now on"),
        stat("Succeeded, ever", number(stats.cumulative_tasks_executed), `and ${number(stats.cumulative_tasks_failed)} failed${whole()}`),
        stat("Check cycles", number(stats.cumulative_total_check_cycles), checks(stats))));
}

/** The first job that is going to run: one that is left alone for a while has times that will be skipped. */
export function nextOf({ jobs }) {
    return jobs.find(job => job.next_run_time && (job.status === "active" || job.status === "failed")) ?? null;
}

function stat(name, value, note) {
    return h("div", { class: "card stat" }, h("dt", {}, name), h("dd", {}, value), note && h("dd", { class: "note" }, note));
}

const whole = () => (seesTenant ? "" : ", of the whole tenant");

function link(count, path) {
    return count ? h("a", { href: root.pages + path }, number(count)) : number(count);
}

function waiting(count) {
    if (count === undefined) return "Executions that a worker has begun";
    if (!count) return "None waits for a worker";
    return `${number(count)} ${count === 1 ? "waits" : "wait"} for a worker`;
}

function skipped({ succeeded, failed, skipped: count }) {
    return count ? `${share(count, succeeded + failed + count)} of the due times had no run` : "Every due time had its run";
}

function checks({ running, total_checks: since, last_check: last }) {
    if (!running) return "Nobody leads: none at the moment";
    return [`Looks for due jobs; ${number(since)} in this term`, last && [", the last ", time(last, "ago")], whole()];
}

/** "98.2 %"; never 0 % or 100 % for what is a little more or less. */
function share(part, all) {
    const percent = (100 * part) / all;
    if (part && percent < 0.1) return "< 0.1 %";
    if (part < all && percent > 99.9) return "> 99.9 %";
    return `${percent.toLocaleString(undefined, { maximumFractionDigits: 1 })} %`;
}
