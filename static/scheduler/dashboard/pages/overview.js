// The first page: what runs, what failed, and what needs a person.
import { get } from "../kit/api.js";
import { fill, find, h } from "../kit/dom.js";
import { live } from "../kit/live.js";
import { reading } from "../kit/states.js";
import { number } from "../kit/time.js";

const cards = find("#stats");

function stat(name, value, note) {
    return h("div", { class: "card stat" }, h("dt", {}, name), h("dd", {}, value), h("p", {}, note));
}

live(reading(cards, () => get("dashboard"), ({ stats, job_count: jobs, recurring_jobs: recurring }) => {
    fill(cards,
        stat("Jobs", number(jobs), `${number(recurring)} recurring`),
        stat("Running now", number(stats.active_executions), stats.running ? "The scheduler leads" : "Nobody leads: nothing is dispatched"),
        stat("Executed", number(stats.cumulative_tasks_executed), "of all time"),
        stat("Failed", number(stats.cumulative_tasks_failed), "of all time"));
}));
