// The executions: what runs now, and what became of the others, by the filters in the address.
import { address, get } from "../kit/api.js";
import { find, findAll, h, renew } from "../kit/dom.js";
import { openAddressed, openExecution } from "../kit/execution.js";
import { bindFilters, newerThan, pager, query, setQuery, table } from "../kit/lists.js";
import { live } from "../kit/live.js";
import { badge, REASONS } from "../kit/outcomes.js";
import { empty, reading } from "../kit/states.js";
import { number, span, time, ZONE } from "../kit/time.js";
import { retryFailed } from "./executions_retry.js";
import { seesTenant } from "../kit/viewer.js";

const SIZES = ["20", "50", "200"], RUNNING = 20, HOUR = 3_600_000;
const root = document.documentElement.dataset;
const [form, logs, running, csv, newer] = ["#filters", "#logs", "#running", "#csv", "#newer"].map(name => find(name));
const retry = find("#retry-failed");
const offset = () => Number(query().offset) || 0;
let shown = [], runs = [], total = null, asking = new AbortController();

/** What the contract is asked for; a range of hours ends now, to the minute, so that a page stays the same for a while. */
function asked() {
    const { status, search, job_id: job, user_id: user, range, since, until } = query();
    const utc = value => (value && !Number.isNaN(Date.parse(value)) ? new Date(value).toISOString() : null);
    const bounds = range === "own" ? { since: utc(since), until: utc(until) }
        : range ? { since: new Date(Math.floor(Date.now() / 60_000) * 60_000 - Number(range) * HOUR).toISOString() } : {};
    return { status, search, job_id: job, user_id: user, ...bounds };
}

async function readPage() {
    const page = await get("execution-logs", { ...asked(), limit: SIZES.includes(query().limit) ? query().limit : 50, offset: offset() }, { signal: asking.signal });
    if (!page.logs.length && page.offset) {
        setQuery({ offset: null });
        return readPage();
    }
    return page;
}

const read = reading(logs, readPage, page => {
    shown = page.logs;
    total = page.total_count;
    newerThan(newer, null);
    const skipped = query().status === "skipped";
    renew(logs, [page, skipped], () => {
        if (!page.logs.length) return nothing();
        return [table("Executions", skipped ? SKIPPED : RAN, page.logs), pager(page, move, skipped ? "ranges" : "executions")];
    });
});

/** A first page is kept current. A later one would move under its reader's eyes: it is told what came instead. */
async function again() {
    const { signal } = asking;
    await readRunning();
    if (!offset()) return read();
    const { total_count: now } = await get("execution-logs", { ...asked(), limit: 1 }, { signal });
    if (!signal.aborted) newerThan(newer, total, now, () => move(0));
}

async function readRunning() {
    const { status, search, job_id: job, user_id: user } = query();
    const wanted = !offset() && !status, { signal } = asking;
    const found = wanted ? (await get("execution-logs", { status: "running", search, job_id: job, user_id: user, limit: RUNNING }, { signal })).logs : [];
    if (signal.aborted) return;
    runs = found;
    running.hidden = !wanted;
    renew(find("#running-body"), runs, () => (runs.length ? table("Executions that run now", RAN, runs) : h("p", { class: "card-body soft" }, "Nothing runs at the moment.")));
}

function nothing() {
    const any = Object.keys(asked()).some(name => asked()[name]);
    if (!any) return empty("Nothing has ended yet", "Executions stand here as soon as the first job has run.", { action: h("a", { class: "button", href: `${root.pages}jobs/` }, "Jobs") });
    const clear = h("button", { type: "button", class: "button", onclick: () => { form.reset(); findAll("[name]", form).forEach(field => { field.value = field.dataset.default ?? ""; }); form.requestSubmit(); } }, "Clear filters");
    return empty("No execution matches", "Another outcome, job or time may find one.", { name: "search", action: clear });
}

async function move(to) {
    setQuery({ offset: to || null }, { push: true });
    await changed();
    find("#logs-title").scrollIntoView({ block: "nearest" });
}

function changed() {
    asking.abort();
    asking = new AbortController();
    logs.removeAttribute("data-read");
    for (const own of findAll("[data-own]", form)) own.hidden = query().range !== "own";
    csv.href = address("execution-logs.csv", asked());
    if (retry) {
        const { status, search } = query();
        retry.disabled = Boolean(search) || (Boolean(status) && status !== "failed");
        retry.title = search ? "Retrying many goes by the job's number, not by a part of its name." : "";
    }
    readRunning().catch(() => {});
    return read();
}

const siblings = () => [...runs, ...shown];
const opener = (log, words) => h("button", { type: "button", class: "row-button", onclick: () => openExecution(log, { siblings }) }, words);
const job = log => h("div", {}, h("span", { class: "cut", title: log.task.task_title }, log.task.task_title),
    h("p", { class: "cut soft small" }, log.task.component_name, seesTenant && log.user_id && ` · ${log.user_id}`));
const RAN = [
    { name: "Due", build: log => opener(log, time(log.scheduled_for)) },
    { name: "Outcome", build: log => badge(log.state === "pending" ? "pending" : log.status) },
    { name: "Job", build: job },
    { name: "Attempts", number: true, build: log => number(log.attempt) },
    { name: "Took", number: true, build: log => (log.state === "finished" ? span(log.execution_time_ms) : log.state === "leased" ? h("span", {}, "since ", time(log.execution_date, "clock")) : "—") },
    { name: "What it said", build: log => h("span", { class: "cut", title: log.error_message }, log.error_message ?? "") },
];
const SKIPPED = [
    { name: "From", build: log => opener(log, time(log.scheduled_for)) },
    { name: "To", build: log => time(log.scheduled_until) },
    { name: "Job", build: job },
    { name: "Times", number: true, build: log => number(log.count) },
    { name: "Why", build: log => h("span", { class: "cut", title: log.error_message }, REASONS[log.reason] ?? log.reason) },
];

find("#zone").textContent = `In your zone, ${ZONE}.`;
bindFilters(form, changed);
retry?.addEventListener("click", () => retryFailed(asked()));
changed();
live(() => (logs.hasAttribute("data-read") ? again() : null));
openAddressed({ siblings });
