// Runs as lanes: a line per job, a bar per run, placed by script. Each bar is a button that says itself in a sentence.
import { fill, find, findAll, h } from "../kit/dom.js";
import { REASONS, WORDS } from "../kit/outcomes.js";
import { local, number, span as words } from "../kit/time.js";
import { keyed } from "./keyed.js";
import { jobPage } from "../kit/viewer.js";

export const LANES = 40; // on one page
const NARROWEST = 7; // pixels of a bar, as the sheet has it
const ROWS = 4; // of runs that overlap within a lane
const STEPS = [0.25, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 180, 240, 360].map(minutes => minutes * 60_000);

/** "Succeeded: began 10:02:01, took 2.4 s, 300 ms after it was due." */
export function sentence({ status, from, to, due, row }, now) {
    if (status === "skipped") {
        const many = row.count > 1 ? `${number(row.count)} times from ${local(from, "short")} to ${local(to, "short")}` : `what was due ${local(from, "short")}`;
        return `Skipped ${many}. ${REASONS[row.reason] || row.reason}.`;
    }
    const late = from - due;
    const began = `began ${local(from, "clock")}${late >= 1000 ? `, ${words(late)} after it was due` : ""}`;
    if (to === null) return `${WORDS.running}: ${began}, for ${words(Math.max(0, now - from))} so far.`;
    return `${WORDS[status]}: ${began}, took ${words(row.execution_time_ms)}.${status === "failed" && row.error_message ? ` ${row.error_message}` : ""}`;
}

/** Jobs with their runs, the busiest first: [{job, title, runs}]. */
export function lanesOf(runs) {
    const lanes = [...Map.groupBy(runs, run => run.job)].map(([job, of]) => ({ job, title: of[0].title, runs: of.sort((a, b) => a.from - b.from) }));
    return lanes.sort((a, b) => b.runs.length - a.runs.length || a.title.localeCompare(b.title) || String(a.job).localeCompare(String(b.job)));
}

/** Draws into `element`; `open(run)` on Enter or a click, `point(run or null)` where focus or pointer is. */
export function lanes(element, { open, point }) {
    const axis = h("div", { class: "lane-axis", "aria-hidden": "true" });
    const list = h("ul", { class: "lane-list", tabindex: "-1", "aria-label": "Runs by job" });
    fill(element, axis, list);
    const bars = new Map(); // key → {button, run}
    let entry = null, window_ = [0, 1];

    function bar(run) {
        const held = bars.get(run.key) ?? { button: h("button", { type: "button", tabindex: "-1", "data-run": run.key }) };
        held.run = run;
        bars.set(run.key, held);
        held.button.className = `run ${run.status}`;
        return held.button;
    }

    function draw(shown, from, to) {
        window_ = [from, to];
        keyed(list, shown.map(({ job, title }) => ({ job, title })), lane => lane.job, lane => [
            h("div", { class: "lane-name cut" }, /^\d+$/.test(lane.job) ? h("a", { href: jobPage(lane.job), title: lane.title }, lane.title) : lane.title),
            h("div", { class: "lane-track", role: "group", "aria-label": `Runs of ${lane.title}` }),
        ], { class: "lane" });
        const kept = new Set(shown.flatMap(lane => lane.runs.map(run => run.key)));
        for (const key of bars.keys()) if (!kept.has(key)) bars.delete(key);
        shown.forEach((lane, n) => track(find(".lane-track", list.children[n]), lane.runs));
        place(to);
        enter(bars.get(entry)?.button ?? findAll(".run", list.firstChild).at(-1));
    }

    function track(element_, runs) {
        const buttons = runs.map(bar);
        if (buttons.length !== element_.children.length || buttons.some((button, n) => element_.children[n] !== button)) {
            const focused = element_.contains(document.activeElement) ? document.activeElement : null;
            element_.replaceChildren(...buttons);
            if (focused) (focused.isConnected ? focused : buttons.at(-1))?.focus({ preventScroll: true });
        }
        for (const { run, row, rows } of stacked(runs)) {
            Object.assign(bars.get(run.key).button.style, { top: `${100 * row / rows}%`, height: `${100 / rows}%` });
        }
    }

    /** What runs grows, and all moves to the left as time goes by. */
    function place(now) {
        const span = window_[1] - window_[0];
        window_ = [now - span, now];
        for (const { button, run } of bars.values()) {
            const [left, right] = [Math.max(window_[0], run.from), Math.min(now, run.to ?? now)];
            Object.assign(button.style, { left: `min(${100 * (left - window_[0]) / span}%, 100% - ${NARROWEST}px)`, width: `${Math.max(0, 100 * (right - left) / span)}%` });
            button.hidden = right < window_[0] || left > now;
            const said = sentence(run, now);
            if (run.to === null && button === document.activeElement) continue; // not read out each time it grows
            if (button.ariaLabel !== said) button.ariaLabel = said;
        }
        drawAxis(span);
    }

    function drawAxis(span) {
        const room = Math.max(2, Math.floor(axis.clientWidth / 70));
        const step = STEPS.find(one => span / one <= room) ?? STEPS.at(-1);
        const zone = new Date(window_[1]).getTimezoneOffset() * 60_000;
        const marks = [];
        for (let at = Math.ceil((window_[0] - zone) / step) * step + zone; at <= window_[1]; at += step) marks.push(at);
        fill(axis, marks.map(at => {
            const fits = (window_[1] - at) / span * axis.clientWidth > 60;
            const mark = h("span", {}, fits && local(at, step < 60_000 ? "clock" : "hour"));
            mark.style.left = `${100 * (at - window_[0]) / span}%`;
            return mark;
        }));
    }

    function enter(button) {
        for (const one of findAll('.run[tabindex="0"]', list)) one.tabIndex = -1;
        if (!button) return;
        button.tabIndex = 0;
        entry = button.dataset.run;
    }

    function move(event) {
        const from = event.target.closest(".run");
        if (!from) return;
        const tracks = findAll(".lane-track", list).map(one => findAll(".run:not([hidden])", one)).filter(one => one.length);
        const row = tracks.findIndex(one => one.includes(from));
        const column = tracks[row].indexOf(from);
        const to = {
            ArrowRight: () => tracks[row][column + 1], ArrowLeft: () => tracks[row][column - 1],
            Home: () => tracks[row][0], End: () => tracks[row].at(-1),
            ArrowDown: () => nearest(tracks[row + 1], from), ArrowUp: () => nearest(tracks[row - 1], from),
        }[event.key];
        if (!to) return;
        event.preventDefault();
        const button = to();
        if (!button) return;
        enter(button);
        button.focus();
    }

    const runAt = event => bars.get(event.target.closest?.(".run")?.dataset.run)?.run ?? null;
    list.addEventListener("keydown", move);
    list.addEventListener("click", event => { const run = runAt(event); if (run) { enter(event.target.closest(".run")); open(run); } });
    list.addEventListener("focusin", event => point(runAt(event)));
    list.addEventListener("pointerover", event => { const run = runAt(event); if (run) point(run); });
    return { draw, place };
}

/** Runs that overlap share the height of their lane: [{run, row, rows}]. */
function stacked(runs) {
    const placed = [];
    let cluster = [], ends = [];
    const close = () => {
        placed.push(...cluster.map(one => ({ ...one, rows: ends.length })));
        [cluster, ends] = [[], []];
    };
    for (const run of runs) {
        if (ends.every(end => end <= run.from)) close();
        let row = ends.findIndex(end => end <= run.from);
        if (row < 0) row = Math.min(ends.length, ROWS - 1);
        ends[row] = Math.max(ends[row] ?? 0, run.to ?? Infinity);
        cluster.push({ run, row });
    }
    close();
    return placed;
}

const nearest = (buttons, from) => buttons?.reduce((best, one) =>
    Math.abs(one.offsetLeft - from.offsetLeft) < Math.abs(best.offsetLeft - from.offsetLeft) ? one : best);
