// What needs a person: jobs that do not run or fail every time, and failures that nobody has run again.
import { get, send } from "../kit/api.js";
import { ask, say } from "../kit/dialogs.js";
import { fill, find, h, renew } from "../kit/dom.js";
import { openAddressed } from "../kit/execution.js";
import { pager, query, setQuery } from "../kit/lists.js";
import { live, refresh } from "../kit/live.js";
import { empty, reading } from "../kit/states.js";
import { number, time } from "../kit/time.js";
import { inBulk } from "./attention_bulk.js";
import { failures } from "./attention_failures.js";
import { picking } from "./attention_pick.js";
import { CRITICAL_IN_A_ROW, taskCard, trouble } from "./attention_task.js";
import { focusBack, keyed } from "./keyed.js";

const LIMIT = 10, RUNS = 20;
const area = find("#tasks"), summary = find("#summary"), turns = find("#tasks-pager");
const list = h("ul", { class: "tasks", tabindex: "-1", "aria-labelledby": "tasks-title" });
const pick = picking(find("#tasks-all"), find("#tasks-run"), list);
let tasks = [], total = 0, outcomes = {}, unretried = null;

const read = reading(area, readTasks, page => {
    ({ tasks, total_count: total } = page);
    pick.shown(tasks.map(task => task.task_id));
    if (tasks.length) {
        if (!list.isConnected) fill(area, list);
        drawTasks();
    } else if (total) turn(0);
    else fill(area, empty("Nothing needs you", "No job is cooling off, in quarantine, or failing again and again.", { name: "check" }));
    renew(turns, [total, page.offset], () => total > LIMIT && pager(page, turn, "jobs", ["Worse", "Less bad"]));
    drawSummary();
    find("#failures-card").hidden = false;
});

function readTasks() {
    return get("tasks-needing-intervention", { limit: LIMIT, offset: query().offset });
}

function turn(offset) {
    setQuery({ offset: offset || null }, { push: true });
    read().then(() => find("#tasks-title").scrollIntoView({ block: "start" }));
}

function drawTasks() {
    keyed(list, tasks.map(task => [task, outcomes[task.task_id]]), ([task]) => task.task_id,
        ([task, runs]) => taskCard(task, runs, { run, resume, pause }, pick), { class: "task-item" });
}

/** The strips come after the cards: they say more, and nobody has to wait for them. */
async function readOutcomes() {
    if (!tasks.length) return;
    const answer = await get("jobs/outcomes", { job_id: tasks.map(task => task.task_id), count: RUNS });
    outcomes = answer.outcomes;
    drawTasks();
}

function drawSummary() {
    const some = tasks.length < total ? `, of the ${number(tasks.length)} shown` : "";
    const types = Object.entries(Object.groupBy(tasks, task => task.task_type)).map(([type, of]) => `${type} ${number(of.length)}`);
    const critical = tasks.filter(task => trouble(task).stopped || task.failure_pattern.consecutive_failures >= CRITICAL_IN_A_ROW).length;
    const last = tasks.map(task => task.last_failure).filter(Boolean).sort()[0];
    renew(summary, [total, types, critical, some, last, unretried], () => [
        stat("Jobs that need you", number(total), types.slice(0, 4).join(", ") || "All is well"),
        stat("Critical", `${number(critical)}${some && critical === tasks.length ? "+" : ""}`, `Stopped, or ${CRITICAL_IN_A_ROW} failures in a row${some}`),
        stat("Oldest failure", time(last, "ago"), last ? `Of the job that waits longest${some}` : "No job waits"),
        stat("Failed, not retried", number(unretried), h("a", { href: "#failures-title" }, "In the last 24 hours"))]);
}

function stat(name, value, note) {
    return h("div", { class: "card stat" }, h("dt", {}, name), h("dd", {}, value), h("dd", { class: "stat-note" }, note));
}

const trigger = (task, reason) => send("POST", `tasks/${encodeURIComponent(task.task_type)}/${task.task_id}/manual-trigger`, { reason });

function run(task) {
    return asked(task, {
        title: `Run ${task.task_title} now`, action: "Run now", reason: "optional",
        text: task.cool_off_until ? "It ends the cool-off and runs once, now. If that fails, the next cool-off begins." : "It runs once, now, beside its schedule.",
        run: reason => trigger(task, reason),
    }, `${task.task_title} will run as soon as a worker is free.`);
}

function resume(task) {
    return asked(task, {
        title: `Resume ${task.task_title}`, action: "Resume", reason: "optional",
        text: "It goes on with its next time from now. The times in between are recorded as skipped.",
        run: reason => send("POST", `jobs/${task.task_id}/resume`, { reason }),
    }, `${task.task_title} goes on by its schedule.`);
}

function pause(task) {
    return asked(task, {
        title: `Pause ${task.task_title}`, action: "Pause", reason: "required",
        text: "Its schedule stops until somebody resumes it. Runs that have begun go on.",
        run: reason => send("POST", `jobs/${task.task_id}/pause`, { reason }),
    }, `${task.task_title} is paused.`);
}

async function asked(task, question, sentence) {
    const begun = await ask(question);
    focusBack(list, task.task_id);
    if (!begun) return;
    say(sentence);
    await refresh();
    focusBack(list, task.task_id);
}

find("#tasks-run")?.addEventListener("click", async () => {
    const chosen = tasks.filter(task => pick.has(task.task_id));
    const begun = await inBulk({
        question: {
            title: `Run ${jobs(chosen.length)} now`, action: "Run now", reason: "optional",
            text: "Each ends its cool-off and runs once, now. A quarantine stays: resume the job, or edit its schedule.",
        },
        title: "Running jobs now", total: chosen.length, told: done => `${jobs(done)} will run as soon as a worker is free.`,
        steps: chosen.map(task => ({
            name: task.task_title,
            run: async reason => { await trigger(task, reason); return { done: 1, refused: [] }; },
        })),
    });
    if (!begun) return;
    pick.clear();
    await refresh();
});

const jobs = count => `${number(count)} ${count === 1 ? "job" : "jobs"}`;

window.addEventListener("popstate", read);
live(async () => {
    await read();
    await readOutcomes().catch(error => { if (error.detail === undefined) throw error; });
}, 3000);
openAddressed();
failures(count => { unretried = count; drawSummary(); });
