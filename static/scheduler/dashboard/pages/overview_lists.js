// The latest executions and events: ten of each, by the filters beside their titles.
import { get } from "../kit/api.js";
import { find, findAll, h, renew } from "../kit/dom.js";
import { EVENT_TONES, EVENT_WORDS, eventSentence } from "../kit/events.js";
import { openExecution } from "../kit/execution.js";
import { bindFilters, table } from "../kit/lists.js";
import { badge, REASONS } from "../kit/outcomes.js";
import { empty, reading } from "../kit/states.js";
import { number, span, time } from "../kit/time.js";
import { jobPage } from "../kit/viewer.js";

const SHOWN = 10, RUNNING = 4, RUNNING_EVERY = 6000;  // what runs leaves room for what has ended
let shown = [], running = null, runningDue = 0;
const siblings = () => shown;

export const executionsReader = () => panel("#execution-logs", readExecutions, ({ status }) => [
    status === "" || status === "success" ? "Nothing has run yet" : "None of these", status ? "Choose another outcome above." : "Executions stand here as soon as the first job has run."], [
    { name: "Outcome", build: log => badge(log.state === "pending" ? "pending" : log.status) },
    { name: "Job", build: log => h("div", {}, h("button", { type: "button", class: "row-button cut", "aria-haspopup": "dialog", title: log.task.task_title, onclick: () => openExecution(log, { siblings }) }, log.task.task_title), h("p", { class: "cut soft small", title: about(log) }, about(log))) },
    { name: "Started", build: log => time(log.execution_date, "ago") },
    { name: "Took", number: true, build: log => span(log.execution_time_ms) },
]);

export const eventsReader = () => panel("#event-history", async asked => (await get("event-history", { ...asked, limit: SHOWN })).events, () => [
    "No such events", "The scheduler's journal has no line of this type in these days."], [
    { name: "When", build: event => time(event.event_date, "short") },
    { name: "Event", build: event => h("span", { class: `badge ${EVENT_TONES[event.event_type] ?? ""}` }, EVENT_WORDS[event.event_type]) },
    { name: "What happened", build: event => {
        const said = eventSentence(event);
        return h(event.job_id ? "a" : "span", { class: `cut${event.job_id ? " job-name" : ""}`, href: event.job_id && jobPage(event.job_id), title: said }, said);
    } },
]);

/** A reader of the list in `selector`, which reads again by itself when a filter changes. */
function panel(selector, read, none, columns) {
    const section = find(selector), form = find("[data-filters]", section), all = find("[data-all]", section), body = find(`${selector}-body`);
    const asked = () => Object.fromEntries(findAll("select", form).map(field => [field.name, field.value]));
    const title = find("h2", section).textContent;
    const again = reading(body, async () => {
        const wanted = asked();
        const rows = await read(wanted);
        return { wanted, rows };
    }, ({ wanted, rows }) => {
        if (JSON.stringify(wanted) !== JSON.stringify(asked())) return;  // a later filter is being read
        renew(body, [wanted, rows], () => (rows.length ? table(`${title}, newest first`, columns, rows) : empty(...none(wanted))));
    });
    const changed = () => {
        for (const field of findAll("select", form)) field.value ||= field.dataset.default;
        all.href = `${all.pathname}?${new URLSearchParams(Object.entries(asked()).filter(([, value]) => value))}`;
        return again();
    };
    bindFilters(form, changed);
    let first = true;
    return () => (first ? (first = false, changed()) : again());
}

/** What runs, read less often, then what has ended; one that is in both answers has ended. */
async function readExecutions({ status }) {
    const list = wanted => get("execution-logs", { status: wanted, limit: SHOWN });
    if (status) return shown = (await list(status)).logs;
    if (performance.now() >= runningDue) {
        runningDue = performance.now() + RUNNING_EVERY;
        running = list("running").catch(error => { runningDue = 0; throw error; });
    }
    const [going, ended] = await Promise.all([running, list("")]);
    const over = new Set(ended.logs.map(log => log.id));
    return shown = [...going.logs.filter(log => !over.has(log.id)).slice(0, RUNNING), ...ended.logs].slice(0, SHOWN);
}

function about(log) {
    if (log.status === "skipped") return `${REASONS[log.reason] ?? log.reason}${log.count > 1 ? `; ${number(log.count)} due times` : ""}`;
    if (log.error_message) return log.error_message;
    return log.attempt > 1 ? `Attempt ${log.attempt}` : log.task.frequency || log.task.component_name;
}
