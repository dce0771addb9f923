// The jobs: a tree by category, or the matches of a filter across categories.
import { get } from "../kit/api.js";
import { fill, find, h, renew } from "../kit/dom.js";
import { jobTools } from "../kit/job_actions.js";
import { bindFilters, pager, query, setQuery } from "../kit/lists.js";
import { live } from "../kit/live.js";
import { empty, reading } from "../kit/states.js";
import { number } from "../kit/time.js";
import { jobList, jobTree } from "../kit/tree.js";
import { selection } from "./jobs_selection.js";
import { mayWrite, seesTenant } from "../kit/viewer.js";

const LIMIT = 50;
const FILTERS = ["search", "status", "task_type", "user_id"];
const [form, tree, matches, count, clear] = ["#filters", "#tree", "#matches", "#jobs-count", "#clear"].map(name => find(name));
const filtered = () => FILTERS.some(name => query()[name]);
const mark = mayWrite ? selection(find("#bulk"), () => readers[filtered() ? "matches" : "tree"]()) : null;
const row = { tools: mayWrite ? jobTools : null, mark };
let asking = new AbortController();

const openedOf = given => (given === undefined ? null : new Set(given.split(",").filter(Boolean).map(decodeURIComponent)));
const branches = jobTree(tree, {
    ...row,
    limit: LIMIT,
    asked: () => ({ ordering: query().ordering }),
    opened: openedOf(query().open),
    onopen: opened => setQuery({ open: [...opened].map(encodeURIComponent).join(",") || "," }),
    none: () => empty("No jobs yet", seesTenant ? "A job says what to run and when. Its runs and their outcomes are shown here."
        : "You see your own jobs, and you have none. Admins and owners see everybody's.",
        { action: mayWrite && h("a", { class: "button primary", href: `${document.documentElement.dataset.pages}jobs/new/` }, "New job") }),
});

const list = jobList("Jobs that match", { ...row, category: true });
const pages = h("div", {});
const found = h("div", {}, list.element, pages);

async function readMatches() {
    const asked = query();
    const page = await get("jobs", {
        ...Object.fromEntries(FILTERS.map(name => [name, asked[name]])), ordering: asked.ordering, offset: asked.offset, limit: LIMIT,
    }, { signal: asking.signal });
    if (!page.jobs.length && page.offset) {
        setQuery({ offset: null });
        return readMatches();
    }
    return page;
}

async function showMatches(page) {
    tell(`${number(page.total_count)} ${page.total_count === 1 ? "job matches" : "jobs match"}`);
    suggest(page.jobs);
    if (!page.jobs.length) {
        fill(matches, empty("No job matches", "Another name, status, type or user may find one.",
            { name: "search", action: h("button", { class: "button", type: "button", onclick: clearFilters }, "Clear filters") }));
        return;
    }
    if (!matches.contains(found)) fill(matches, found);
    renew(pages, [page.total_count, page.offset], () => page.total_count > LIMIT && pager(page, move, "jobs", ["Previous", "Next"]));
    await list.show(page.jobs);
}

/** Read out when it is another text, and only then. */
function tell(text) {
    if (count.textContent !== text) count.textContent = text;
}

function move(offset) {
    setQuery({ offset: offset || null }, { push: true });
    changed();
    form.scrollIntoView({ block: "nearest" });
}

const readers = {
    tree: reading(tree, branches, ({ total_jobs: total, categories }) => {
        if (!filtered()) tell(total ? `${number(total)} ${total === 1 ? "job" : "jobs"} in ${number(categories.length)} ${categories.length === 1 ? "category" : "categories"}` : "");
    }),
    matches: reading(matches, readMatches, showMatches),
};

function read() {
    const flat = filtered();
    find("#jobs-title").textContent = flat ? "Matches" : "By category";
    tree.hidden = flat;
    matches.hidden = clear.hidden = !flat;
    return readers[flat ? "matches" : "tree"]();
}

function changed() {
    asking.abort();
    asking = new AbortController();
    // A refusal of what was asked is shown in place of the answer before.
    (filtered() ? matches : tree).removeAttribute("data-read");
    return read();
}

function clearFilters() {
    setQuery(Object.fromEntries([...FILTERS, "offset"].map(name => [name, null])), { push: true });
    window.dispatchEvent(new PopStateEvent("popstate"));
    find("#f-search").focus();
}

/** What may be typed: task types that were seen, and the tenant's members once the field is entered. */
const types = new Set();
function suggest(jobs) {
    const before = types.size;
    for (const job of jobs) types.add(job.task_type);
    if (types.size > before) fill(find("#task-types"), [...types].sort().map(value => h("option", { value })));
}
find("#f-type").addEventListener("focus", async () => {
    if (!types.size) suggest((await get("jobs", { limit: 200 }).catch(() => ({ jobs: [] }))).jobs);
}, { once: true });
find("#f-user")?.addEventListener("focus", async () => {
    const { members = [] } = await get("members", { limit: 500 }).catch(() => ({}));
    fill(find("#users"), members.map(member => h("option", { value: member.user_id })));
}, { once: true });

clear.addEventListener("click", clearFilters);
bindFilters(form, changed);
live(read, 4000);
