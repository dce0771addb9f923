// The jobs: first those in trouble, with their reasons, then the tree.
import { get } from "../kit/api.js";
import { fill, find, h, renew } from "../kit/dom.js";
import { badge } from "../kit/outcomes.js";
import { empty, reading } from "../kit/states.js";
import { number } from "../kit/time.js";
import { jobTree } from "../kit/tree.js";
import { jobPage, mayWrite } from "../kit/viewer.js";

const body = find("#jobs-tree-body");
const SHOWN = 3;

/** The jobs that need a person, and those whose last run failed: {needing, failing}, lists of the contract. */
export async function readTrouble() {
    const [needing, failing] = await Promise.all(["needs_intervention", "failed"].map(status => get("jobs", { status, limit: SHOWN })));
    return { needing, failing };
}

/** Reads `trouble()` (the promise of readTrouble) and the tree; what both found is shown at once, so that nothing moves. */
export function jobsReader(trouble) {
    const worst = h("div", {}), tree = h("div", {});
    const readTree = jobTree(tree, { limit: 5, asked: () => ({ ordering: "next_run_time" }), none: noJobs });
    const grown = new Promise(resolve => new MutationObserver(resolve).observe(tree, { childList: true }));
    return reading(body, async () => {
        const all = readTree();
        all.catch(() => {});  // told below, unless the other fails first
        const [found] = await Promise.all([trouble(), Promise.race([all, grown])]);
        showTrouble(worst, found);
        if (!tree.isConnected) fill(body, worst, tree);
        await all;  // the strips, which have their room
    }, () => {});
}

function showTrouble(element, { needing, failing }) {
    const jobs = [...needing.jobs, ...failing.jobs].slice(0, SHOWN);
    const more = needing.total_count + failing.total_count - jobs.length;
    const row = job => h("li", {}, h("a", { class: "cut job-name", href: jobPage(job.id), title: job.name }, job.name), badge(job.status), h("p", {}, reasonOf(job)));
    renew(element, [jobs.map(job => [job.id, job.name, job.status, reasonOf(job)]), more], () => jobs.length > 0 && h("section", { class: "trouble", "aria-labelledby": "trouble-title" },
        h("h3", { id: "trouble-title" }, more > 0 ? `In trouble, and ${number(more)} more` : "In trouble"), h("ul", {}, jobs.map(row))));
}

const reasonOf = job => job.quarantine_reason || job.failure_reason || "It gave no reason";

function noJobs() {
    const create = mayWrite && h("a", { class: "button", href: `${document.documentElement.dataset.pages}jobs/new/` }, "Create a job");
    return empty("No jobs yet", "Jobs stand here by category, each with the strip of its last runs.", { action: create, name: "jobs" });
}
