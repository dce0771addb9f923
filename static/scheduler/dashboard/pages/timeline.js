// What ran when, as lanes by job; and what is due in the next 24 hours.
import { fill, find, findAll, h, renew } from "../kit/dom.js";
import { openAddressed, openExecution } from "../kit/execution.js";
import { pager, query, setQuery, table } from "../kit/lists.js";
import { live } from "../kit/live.js";
import { badge, REASONS } from "../kit/outcomes.js";
import { empty, reading } from "../kit/states.js";
import { local, number, span as words, time } from "../kit/time.js";
import { forecast } from "./timeline_forecast.js";
import { LANES, lanes, lanesOf, sentence } from "./timeline_lanes.js";
import { runsOf } from "./timeline_runs.js";
import { jobPage } from "../kit/viewer.js";

const HOUR = 3_600_000, SPANS = { 1: HOUR, 6: 6 * HOUR, 24: 24 * HOUR };
const area = find("#lanes"), pointed = find("#pointed"), details = find("#runs-table"), turns = find("#lanes-pager");
const board = h("div", { class: "lane-board" });
const drawing = lanes(board, { open, point });
const readRuns = runsOf();
let skew = 0, offset = 0, read = null;

const hours = () => (query().hours in SPANS ? query().hours : "1");
const now = () => Date.now() + skew;

const again = reading(area, () => readRuns(SPANS[hours()], now()), answer => {
    read = answer;
    draw();
    find("#forecast-card").hidden = false;
});

function draw() {
    for (const button of findAll("#spans button")) button.setAttribute("aria-pressed", button.dataset.hours === hours());
    const all = lanesOf(runsFrom(start()));
    if (offset >= all.length) offset = 0;
    const shown = all.slice(offset, offset + LANES);
    find("#runs-said").textContent = said(all.length);
    details.hidden = find("#runs-below").hidden = !all.length;
    if (!all.length) {
        const text = hours() === "1" ? "Look at a longer time, or at what is due below." : "What is due is below.";
        fill(area, empty(`Nothing ran in the last ${hours() === "1" ? "hour" : `${hours()} hours`}`, text, { name: "timeline" }));
        point(null);
    } else {
        if (!board.isConnected) fill(area, board);
        drawing.draw(shown, start(), now());
    }
    renew(turns, [all.length, offset], () => all.length > LANES && pager({ total_count: all.length, limit: LANES, offset, has_more: offset + LANES < all.length },
        to => { offset = to; draw(); }, "jobs", ["Busier", "Less busy"]));
    if (details.open) drawTable(shown);
}

/** Where the picture begins: with the oldest run that is drawn, where not all of them are. */
const start = () => (read.total > read.drawn ? Date.parse(read.oldest) : now() - SPANS[hours()]);
const runsFrom = from => read.runs.filter(run => (run.to ?? Infinity) >= from);

function said(jobs) {
    if (!read.total && !read.runs.length) return "";
    const runs = read.total > read.drawn ? `The latest ${number(read.drawn)} of ${number(read.total)} runs that have ended, since ${local(read.oldest, "hour")}` : `${number(read.drawn)} ${read.drawn === 1 ? "run has" : "runs have"} ended`;
    const beside = [read.running && `${number(read.running)} running`, read.skips && `${number(read.skips)} ${read.skips === 1 ? "time" : "times"} skipped`].filter(Boolean).join(", ");
    const less = read.more ? " More run or were skipped than can be drawn." : "";
    return `${runs}${beside ? `; ${beside}` : ""}; ${number(jobs)} ${jobs === 1 ? "job" : "jobs"}.${less}`;
}

function drawTable(shown) {
    const rows = shown.flatMap(lane => lane.runs).sort((a, b) => b.from - a.from);
    const columns = [
        { name: "Job", build: run => (run.row.job_id ? h("a", { href: jobPage(run.row.job_id) }, run.title) : run.title) },
        { name: "Outcome", build: run => badge(run.status) },
        { name: "Began", build: run => time(new Date(run.from).toISOString()) },
        { name: "Took", number: true, build: run => (run.status === "skipped" ? `${number(run.row.count)} ${run.row.count === 1 ? "time" : "times"}` : words(run.to === null ? now() - run.from : run.row.execution_time_ms)) },
        { name: "Why", build: run => h("span", { class: "cut" }, run.row.reason ? REASONS[run.row.reason] || run.row.reason : run.row.error_message || "") },
        { label: "Look", build: run => h("button", { type: "button", class: "button small", "aria-label": `Look at ${run.title}, ${sentence(run, now())}`, onclick: () => open(run) }, "Look") },
    ];
    // What runs grows: its row is another each time.
    renew(find("#runs-rows"), rows.map(run => [run.key, run.status, run.to, run.to === null && words(now() - run.from)]), () => table(`Runs of ${shown.length} jobs, the latest first`, columns, rows));
}

function point(run) {
    pointed.textContent = run ? `${run.title} · ${sentence(run, now())}` : "";
}

/** The drawer of a run or of skipped times; its arrows go on to the others of the same job, newest first. */
function open(run) {
    openExecution(run.row, { siblings: () => read.runs.filter(one => one.job === run.job).sort((a, b) => b.from - a.from).map(one => one.row) });
}

for (const button of findAll("#spans button")) button.addEventListener("click", () => {
    setQuery({ hours: button.dataset.hours === "1" ? null : button.dataset.hours }, { push: true });
    offset = 0;
    again();
});
window.addEventListener("popstate", () => { offset = 0; again(); });
details.addEventListener("toggle", () => { if (details.open && read) drawTable(lanesOf(runsFrom(start())).slice(offset, offset + LANES)); });
document.addEventListener("pulse", ({ detail }) => { skew = Date.parse(detail.last_updated) - Date.now(); });
setInterval(() => { if (!document.hidden && board.isConnected) drawing.place(now()); }, 2000);
addEventListener("resize", () => { if (board.isConnected) drawing.place(now()); });

live(again, 3000);
forecast();
openAddressed();
