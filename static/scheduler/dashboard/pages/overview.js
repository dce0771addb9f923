// The first page: what runs, what failed and why. Each part reads for itself; the sentence and the figures share what was read.
import { get } from "../kit/api.js";
import { find } from "../kit/dom.js";
import { openAddressed } from "../kit/execution.js";
import { live } from "../kit/live.js";
import { reading } from "../kit/states.js";
import { drawHours, showHours } from "./overview_hours.js";
import { jobsReader, readTrouble } from "./overview_jobs.js";
import { eventsReader, executionsReader } from "./overview_lists.js";
import { showStats } from "./overview_stats.js";
import { showVerdict } from "./overview_verdict.js";

const known = { dashboard: null, hours: null, pulse: null, needing: null, failing: null };
let begun = false;

function learned(more) {
    Object.assign(known, more);
    if (!begun) return;
    showStats(known);
    showVerdict(known);
}

let trouble = null;
const readFigures = reading(find("#stats-body"), () => get("dashboard"), dashboard => learned({ dashboard }));
const readHours = reading(find("#hours-body"), () => get("insights/hours", { hours: 24 }), hours => {
    showHours(find("#hours-body"), hours, find("#hours-zone"));
    learned({ hours });
});
const readJobs = jobsReader(() => (trouble = readTrouble().then(found => (learned(found), found))));

document.addEventListener("pulse", ({ detail: pulse }) => learned({ pulse }));
// Where much moves, what is dear is read less often; how executions end is not.
const firsts = [live(readFigures, 10_000), live(readHours, 20_000), live(readJobs, 20_000)];
const lists = [live(executionsReader()), live(eventsReader(), 10_000)];

// Who leads changes without a pulse.
setInterval(() => { if (find("[data-live]").dataset.state === "live") readFigures(); }, 10_000);
openAddressed();

// The sentence and the figures appear once, whole, though one of their sources may have failed.
await Promise.allSettled([firsts[0], firsts[1], trouble]);
begun = true;
learned({});
await Promise.allSettled([...firsts, ...lists]);
requestIdleCallback(drawHours, { timeout: 2000 });
