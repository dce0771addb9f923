// One execution in a drawer: what became of it, when, in how many tries, what it gave back, and why it was skipped.
import { get, send } from "./api.js";
import { ask, drawer, say } from "./dialogs.js";
import { find, h, icon, renew } from "./dom.js";
import { attempts } from "./execution_attempts.js";
import { live, refresh } from "./live.js";
import { query, setQuery } from "./lists.js";
import { badge, REASONS } from "./outcomes.js";
import { failed, loading } from "./states.js";
import { number, span, time, utc } from "./time.js";
import { jobPage, mayWrite } from "./viewer.js";

const KINDS = { scheduled: "By its schedule", manual: "Triggered by hand", retry: "A retry of an earlier one", backfill: "A backfilled time", imported: "Moved in from another system" };
let open = null;  // {handle, log, siblings, read}
let watched = false, asked = 0;

/**
 * Open the drawer for `log`, a log of the contract or its id. `siblings()` gives the logs of the list that it stands in,
 * for the arrow keys. The address keeps `?execution=<id>`, so that a link opens it again.
 */
export function openExecution(log, { siblings = () => [] } = {}) {
    if (open) {
        open.log = known(log);
        open.siblings = siblings;
    } else {
        open = { handle: drawer("Execution", { onclose: closed }), log: known(log), siblings };
        open.handle.dialog.addEventListener("keydown", arrows);
        open.handle.body.replaceChildren(loading(6));
    }
    setQuery({ execution: open.log.id > 0 ? open.log.id : null });  // a range has no address: it may be longer tomorrow
    if (!watched) watched = live(() => read()) && true;
    else read();
}

/** Open what the address names, if it names one. */
export function openAddressed(options) {
    const { execution } = query();
    if (/^\d+$/.test(execution ?? "")) openExecution(Number(execution), options);
    else setQuery({ execution: null });
}

const known = log => (typeof log === "object" ? log : { id: Number(log) });

function closed() {
    open = null;
    setQuery({ execution: null });
}

async function read() {
    const shown = open;
    if (!shown) return;
    const { id } = shown.log;
    const turn = asked += 1;
    try {
        // A range of skipped times is no execution: the list has all that there is of it.
        const log = id < 0 ? shown.log : await get(`execution-logs/${id}`);
        if (turn === asked && open === shown) show(shown.handle, log);
    } catch (error) {
        if (error.detail === undefined) throw error;
        if (turn !== asked || open !== shown) return;
        // What was read before stays, unless it is there no more.
        if (shown.handle.shows === id && ![403, 404].includes(error.status)) return;
        shown.handle.body.filledFor = null;
        shown.handle.body.replaceChildren(failed(error, error.status === 404 ? null : read));
    }
}

function show(handle, log) {
    const over = open.siblings().map(one => one.id);
    const place = over.indexOf(log.id);
    handle.shows = log.id;
    handle.title(log.id < 0 ? "Skipped times" : `Execution ${log.id}`);
    renew(handle.body, [log, place, over.length], () => [
        h("div", { class: "page-head" },
            h("div", {}, badge(log.state === "pending" ? "pending" : log.status), " ",
                h(log.job_id ? "a" : "span", { href: log.job_id && jobPage(log.job_id) }, h("strong", {}, log.task.task_title))),
            h("div", { class: "actions" }, actions(log), neighbour("previous", "Newer", place > 0), neighbour("next", "Older", place >= 0 && place < over.length - 1))),
        log.id < 0 ? skipped(log) : ran(log),
    ].flat());
    // Where the button that was pressed stood, so that the keyboard goes on from there.
    const stepped = handle.step && find(`[data-step=${handle.step}]`, handle.body);
    handle.step = null;
    if (!handle.dialog.contains(document.activeElement)) (stepped && !stepped.disabled ? stepped : find("button", handle.dialog)).focus();
}

function ran(log) {
    const ended = log.state === "finished" ? new Date(new Date(log.execution_date).getTime() + (log.execution_time_ms ?? 0)).toISOString() : null;
    const started = log.state !== "pending";
    // The ledger's start is the last attempt's; an earlier one says when the first began.
    const first = log.attempts.find(one => one.attempt === 1)?.started_at ?? log.execution_date;
    const spread = log.attempt === 1 && new Date(log.run_at) > new Date(log.scheduled_for);
    const late = started && log.attempt === 1 ? Math.max(0, new Date(log.execution_date) - new Date(log.run_at)) : null;
    const whole = ended && log.attempt > 1 ? new Date(ended) - new Date(first) : null;
    return [
        log.error_message && h("p", { class: `notice ${log.status === "failed" ? "failed" : ""}` }, log.error_message),
        facts([
            ["Due", both(log.scheduled_for)],
            (spread || !started) && ["May start from", both(log.run_at)],
            started && ["Started", [both(first), late !== null && h("span", { class: "soft" }, `, ${span(late)} after ${spread ? "that" : "it was due"}`)]],
            ended && ["Ended", both(ended)],
            ended && ["Took", log.execution_time_ms === null ? "It did not run" : [span(log.execution_time_ms), whole !== null && h("span", { class: "soft" }, `, its last attempt; ${span(whole)} from first to last`)]],
            ["Kind", KINDS[log.kind] ?? log.kind],
            log.retry_of && ["Retry of", h("button", { type: "button", class: "row-button", onclick: () => openExecution(log.retry_of) }, `Execution ${log.retry_of}`)],
            ["Target", `${log.task.component_name} (${log.task.metric})`],
            ["Owner", log.user_id ?? "nobody"],
            log.worker && ["Worker", log.worker],
            log.epoch !== null && ["Leader's term", number(log.epoch)],
        ]),
        attempts(log),
        log.state === "finished" && output(log.output),
    ];
}

function skipped(log) {
    const many = log.count > 1;
    const why = `${jobPage(log.job_id)}?from=${encodeURIComponent(log.scheduled_for)}&to=${encodeURIComponent(log.scheduled_until)}#why`;
    return [
        h("p", { class: "notice" }, `${REASONS[log.reason] ?? log.reason}.${log.error_message ? ` ${log.error_message}` : ""}`),
        facts([
            [many ? "First due time" : "Due", both(log.scheduled_for)],
            many && ["Last due time", both(log.scheduled_until)],
            ["Due times", number(log.count)],
            ["Recorded", both(log.created_at)],
            log.epoch !== null && ["Leader's term", number(log.epoch)],
        ]),
        h("p", {}, h("a", { href: why }, "What became of each due time")),
    ];
}

function output(given) {
    if (!given || (given.result === null && !given.error_text)) return h("p", { class: "soft" }, "It gave nothing back.");
    const text = given.error_text || (typeof given.result === "string" ? given.result : JSON.stringify(given.result, null, 2));
    const title = given.error_text ? "The whole error" : "What it gave back";
    const copy = h("button", { type: "button", class: "button small", onclick: async () => {
        await navigator.clipboard.writeText(text).then(() => say("Copied"), () => say("The browser does not allow copying; select the text instead.", "failed"));
    } }, "Copy");
    return h("section", { class: "output" }, h("div", { class: "page-head" }, h("h3", {}, title), navigator.clipboard && copy),
        h("pre", { tabindex: "0", role: "region", "aria-label": title }, text));
}

function actions(log) {
    if (!mayWrite || log.id < 0) return null;
    if (log.state === "finished") return tool("retry", "Retry", () => ask({
        title: "Run it again?", text: "The job runs again as it is today: a new execution, with an id of its own.", action: "Run again", reason: "optional",
        run: async reason => {
            const { execution_id: made, message } = await send("POST", `executions/${log.id}/retry`, reason ? { reason } : {});
            say(message);
            openExecution(made);
        } }));
    return tool("close", log.state === "pending" ? "Take back" : "Stop", () => ask({
        title: log.state === "pending" ? "Take it back?" : "Stop it?", text: "It ends as failed, cancelled by you.", action: log.state === "pending" ? "Take back" : "Stop", reason: "optional", danger: true,
        run: async reason => {
            const { message } = await send("POST", `executions/${log.id}/cancel`, reason ? { reason } : {});
            say(message);
        } }));
}

function tool(name, label, run) {
    return h("button", { type: "button", class: "button small", onclick: async () => { if (await run()) await refresh(); } }, icon(name), label);
}

function neighbour(name, label, there) {
    return h("button", { type: "button", class: "button small icon-only", "aria-label": label, title: label, "data-step": name, disabled: !there, onclick: () => step(name) }, icon(name));
}

/** To the newer or older one in the list that this one was opened from. */
function step(name) {
    const over = open.siblings(), here = over.findIndex(one => one.id === open.log.id);
    const there = here < 0 ? null : over[here + (name === "previous" ? -1 : 1)];
    if (!there) return;
    open.handle.step = name;
    openExecution(there, { siblings: open.siblings });
}

function arrows(event) {
    const name = { ArrowLeft: "previous", ArrowRight: "next" }[event.key];
    const own = ["INPUT", "TEXTAREA"].includes(event.target.tagName) || event.target.scrollWidth > event.target.clientWidth;
    if (name && !own) step(name);
}

const both = value => h("span", {}, time(value), " ", h("span", { class: "soft small nowrap" }, utc(value)));
const facts = pairs => h("dl", { class: "facts" }, pairs.filter(Boolean).flatMap(([name, value]) => [h("dt", {}, name), h("dd", {}, value)]));
