// The tree of jobs: categories that open to their jobs, a page at a time, each job with the strip of its last runs.
import { get } from "./api.js";
import { say } from "./dialogs.js";
import { fill, h, icon, renew } from "./dom.js";
import { pager } from "./lists.js";
import { badge, strip } from "./outcomes.js";
import { failed, loading } from "./states.js";
import { number, time } from "./time.js";
import { jobPage, seesTenant } from "./viewer.js";

export const RUNS = 20;

/**
 * The row of one job in an `<li>`, which takes later states by `show(job)` and its runs by `runs(outcomes)`.
 * `tools(job)` gives buttons, `mark` is {has(job), set(job, on)} of a selection, `category` shows what it belongs to.
 */
export function jobRow({ tools = null, mark = null, category = false } = {}) {
    const part = name => h("div", { class: `job-${name}` });
    const [what, state, next, doing] = ["what", "state", "next", "tools"].map(part);
    const runs = h("div", { class: "job-runs" }, placeholder());
    const tick = mark && h("input", { type: "checkbox", class: "job-tick" });
    const element = h("li", { class: `job-row${mark ? " ticked" : ""}` }, tick, what, state, runs, next, tools && doing);
    let shown = null;
    tick?.addEventListener("change", () => mark.set(shown, tick.checked));
    return {
        element,
        show(job) {
            shown = job;
            element.dataset.job = job.id;
            if (tick) {
                tick.checked = mark.has(job);
                tick.setAttribute("aria-label", `Select ${job.name}`);
            }
            renew(what, [job.name, job.frequency, job.user_id, job.task_category], () => [
                h("a", { class: "cut job-name", href: jobPage(job.id), title: job.name }, job.name),
                h("p", { class: "cut soft small", title: job.frequency }, job.frequency,
                    category && ` · ${job.task_category.replaceAll("_", " ")}`, seesTenant && job.user_id && ` · ${job.user_id}`)]);
            renew(state, [job.status, job.pause_reason], () => h("span", { title: job.pause_reason }, badge(job.status)));
            renew(next, [job.next_run_time, job.status], () => [h("span", { class: "job-label" }, "Next run "), nextRun(job)]);
            if (tools) renew(doing, [job.id, job.name, job.status, job.version], () => tools(job));
        },
        runs: outcomes => renew(runs, outcomes, () => strip(outcomes, RUNS)),
        lost: () => { if (!runs.filledFor) runs.firstChild.title = "The last runs could not be read"; },
    };
}

function nextRun(job) {
    if (job.next_run_time) return time(job.next_run_time, "next");
    return h("span", { class: "soft" }, job.trigger.type === "manual" ? "By hand only" : "None");
}

const placeholder = () => h("span", { class: "strip", "aria-hidden": "true" }, Array.from({ length: RUNS }, () => h("i", { class: "none" })));

/** A `<ul>` of rows that are kept from one reading to the next: `show(jobs)` resolves when the strips are there too. */
export function jobList(label, options) {
    const element = h("ul", { class: "job-list", "aria-label": label });
    let rows = new Map();
    return {
        element,
        rows: () => rows,
        async show(jobs) {
            const held = document.activeElement;
            rows = new Map(jobs.map(job => [job.id, rows.get(job.id) ?? jobRow(options)]));
            jobs.forEach((job, place) => {
                const row = rows.get(job.id);
                row.show(job);
                if (element.children[place] !== row.element) element.insertBefore(row.element, element.children[place] ?? null);
            });
            while (element.children.length > rows.size) element.lastElementChild.remove();
            if (held !== document.activeElement && element.contains(held)) held.focus();
            await readRuns(rows);
        },
    };
}

async function readRuns(rows) {
    const ids = [...rows.keys()];
    for (let from = 0; from < ids.length; from += 100) {
        const asked = ids.slice(from, from + 100);
        try {
            const { outcomes } = await get("jobs/outcomes", { job_id: asked.join(","), count: RUNS });
            for (const id of asked) rows.get(id).runs(outcomes[id] ?? []);
        } catch (error) {
            if (error.detail === undefined) throw error;
            for (const id of asked) rows.get(id).lost();
        }
    }
}

/** A heading that opens and closes a category: its name, how many jobs, and how many of them are in trouble. */
function categoryHeader(toggle, controls) {
    const counts = h("span", { class: "tree-counts" });
    const name = h("span", { class: "tree-name" });
    const button = h("button", { class: "tree-head", type: "button", "aria-expanded": "false", "aria-controls": controls, onclick: toggle }, icon("next"), name, counts);
    return {
        element: h("h3", {}, button),
        show(category, open) {
            button.setAttribute("aria-expanded", open);
            name.textContent = category.label;
            renew(counts, category, () => countsOf(category));
        },
    };
}

function countsOf({ job_count: jobs, needs_intervention: needs, failed: bad, paused, active }) {
    const some = (count, status, words) => count > 0 && h("span", { class: `badge ${status}` }, `${number(count)} ${words}`);
    return [h("span", { class: "soft" }, `${number(jobs)} ${jobs === 1 ? "job" : "jobs"}`),
        some(needs, "needs_intervention", needs === 1 ? "needs you" : "need you"), some(bad, "failed", "failed"),
        some(paused, "paused", "paused"), some(active, "active", "active")];
}

/**
 * The whole tree in `element`. `limit` rows of a category; `asked()` gives more parameters of the list of jobs (its
 * order); `opened` is a Set of categories, or null for those that fit; `onopen(set)` is told of changes; `none()` builds what is
 * shown where there are no jobs; the rest is for `jobRow`. Returns `read()`, which resolves to jobs/categories.
 */
export function jobTree(element, { limit = 50, asked = () => ({}), opened = null, onopen = () => {}, none, ...row }) {
    const branches = new Map();
    return async function read() {
        const answer = await get("jobs/categories");
        const { categories, total_jobs: total } = answer;
        opened ??= new Set((total <= limit ? categories : categories.slice(0, 1)).map(one => one.category));
        for (const gone of [...branches.keys()].filter(name => !categories.some(one => one.category === name))) branches.delete(gone);
        for (const category of categories) {
            if (!branches.has(category.category)) branches.set(category.category, branch(category.category, { limit, asked, opened, onopen, row }));
        }
        // Jobs before anything is shown, so that no heading moves; strips have their room and may come later.
        const reads = categories.map(category => branches.get(category.category).read(category));
        await Promise.all(reads.map(one => one.jobs));
        const shown = categories.map(category => branches.get(category.category).element);
        if (!shown.length) fill(element, none());
        else if (shown.length !== element.children.length || shown.some((one, place) => one !== element.children[place])) fill(element, shown);
        await Promise.all(reads.map(one => one.strips()));
        return answer;
    };
}

let made = 0;

function branch(name, { limit, asked, opened, onopen, row }) {
    const body = h("div", { class: "tree-body", id: `branch-${made += 1}`, hidden: true });
    const pages = h("div", {});
    const head = categoryHeader(toggle, body.id);
    let category = null, offset = 0, list = null, strips = null, asked_ = 0;

    async function toggle() {
        const open = !opened.has(name);
        if (open) opened.add(name);
        else opened.delete(name);
        onopen(opened);
        if (open && !list) fill(body, h("div", { class: "tree-wait" }, loading(Math.min(category.job_count, 5))));
        head.show(category, open);
        body.hidden = !open;
        await again();
    }

    async function move(to) {
        offset = to;
        await again();
        head.element.scrollIntoView({ block: "nearest" });
    }

    async function again() {
        const { jobs: rows, strips: later } = read(category, true);
        await rows;
        await later();
    }

    /** What was asked for by hand and cannot be had is told; old rows stay. */
    async function jobs(byHand) {
        const turn = asked_ += 1;
        try {
            let page = await get("jobs", { task_category: name, limit, offset, ...asked() });
            if (!page.jobs.length && offset) page = await get("jobs", { task_category: name, limit, offset: offset = 0, ...asked() });
            if (turn !== asked_) return;  // another page was asked for, or the branch is closed
            if (!list) {
                list = jobList(category.label, row);
                fill(body, list.element, pages);
            }
            strips = list.show(page.jobs);
            renew(pages, [page.total_count, page.offset], () => page.total_count > limit && pager(page, move, "jobs", ["Previous", "Next"]));
        } catch (error) {
            if (error.detail === undefined) throw error;
            if (!list) fill(body, failed(error, again));
            else if (byHand) say(error.message, "failed");
        }
    }

    function read(known, byHand = false) {
        category = known;
        const open = opened.has(name);
        head.show(category, open);
        body.hidden = !open;
        if (open) return { jobs: jobs(byHand), strips: () => strips };
        asked_ += 1;
        list = strips = null;
        body.replaceChildren();
        return { jobs: null, strips: () => null };
    }

    return { element: h("section", { class: "tree-branch", "data-category": name }, head.element, body), read };
}
