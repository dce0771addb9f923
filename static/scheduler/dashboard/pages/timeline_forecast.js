// What is due in the next 24 hours, minute by minute, and the jitter that would flatten its peak.
import { get } from "../kit/api.js";
import { chart, colour } from "../kit/charts.js";
import { fill, find, h } from "../kit/dom.js";
import { table } from "../kit/lists.js";
import { live } from "../kit/live.js";
import { empty, reading } from "../kit/states.js";
import { local, number, utc, ZONE } from "../kit/time.js";
import { clockChanges } from "./clock_changes.js";

const HOURS = 24, MINUTE = 60_000, EVERY = 60_000;
const WIDTHS = [1, 2, 5, 10, 15, 30]; // minutes that one step of the curve may stand for
const NARROWEST = 2; // pixels of a step

/** "5 minutes", "90 seconds", "2 hours". */
export function jitterWords(seconds) {
    const [size, name] = seconds % 3600 === 0 ? [3600, "hour"] : seconds % 60 === 0 ? [60, "minute"] : [1, "second"];
    return `${number(seconds / size)} ${name}${seconds === size ? "" : "s"}`;
}

/** What the forecast comes to, in two sentences. */
export function advice({ peak, flattened_peak: flat, suggested_jitter_seconds: jitter, total }) {
    const runs = peak.count === 1 ? "run starts" : "runs start";
    if (peak.count <= 1) return `${number(total)} ${total === 1 ? "run is" : "runs are"} due, never two in the same minute.`;
    const most = `${number(peak.count)} ${runs} at ${local(peak.at, "hour")}.`;
    if (!jitter || flat.count >= peak.count) return `${most} That is the most in a minute; jitter would not make it less.`;
    return `${most} A jitter of ${jitterWords(jitter)} would bring the peak from ${number(peak.count)} to ${number(flat.count)} a minute.`;
}

/** Steps of equal width, the highest minute of each: [{at, planned, flattened}]; `width` in pixels. */
export function steps({ from, minutes, flattened }, width) {
    const size = WIDTHS.find(one => minutes.length / one * NARROWEST <= width) ?? WIDTHS.at(-1);
    const start = Date.parse(from), first = Math.floor(start / MINUTE / size) * size * MINUTE;
    const found = [];
    minutes.forEach((count, n) => {
        const step = Math.floor((start + n * MINUTE - first) / MINUTE / size);
        found[step] ??= { at: Math.max(start, first + step * size * MINUTE), planned: 0, flattened: 0 };
        found[step].planned = Math.max(found[step].planned, count);
        found[step].flattened = Math.max(found[step].flattened, flattened[n]);
    });
    return found;
}

export function forecast() {
    const area = find("#forecast"), parts = { advice: find("#advice"), picture: find("#forecast-picture"), options: find("#jitters"), hours: find("#forecast-hours"), note: find("#forecast-note") };
    const canvas = find("canvas", parts.picture), details = find("#forecast-table");
    let shown = null, redraw = null;

    const read = reading(area, () => get("insights/forecast", { hours: HOURS }), answer => {
        shown = answer;
        fill(area);
        area.hidden = answer.total > 0;
        find("#forecast-body").hidden = !answer.total;
        if (!answer.total) return fill(area, empty("Nothing is due in the next 24 hours", "Jobs that are paused, in quarantine or run by hand have no next time.", { name: "clock" }));
        fill(parts.advice, advice(answer));
        fill(parts.note, notes(answer));
        parts.note.hidden = !parts.note.childElementCount;
        canvas.setAttribute("aria-label", `Runs per minute in the next 24 hours: ${number(answer.total)} runs. ${advice(answer)}`);
        fill(parts.options, options(answer));
        if (details.open) fill(parts.hours, hourly(answer));
        redraw?.();
    });

    details.addEventListener("toggle", () => { if (details.open && shown) fill(parts.hours, hourly(shown)); });
    // The library comes when the picture is about to be seen: it is the largest thing of this page.
    new IntersectionObserver(async ([entry], observer) => {
        if (!entry.isIntersecting) return;
        observer.disconnect();
        redraw = await chart(canvas, () => config(shown, parts.picture.clientWidth));
    }, { rootMargin: "200px" }).observe(parts.picture);
    let width = 0;
    new ResizeObserver(([entry]) => {
        const wide = Math.round(entry.contentRect.width);
        if (redraw && wide && wide !== width) redraw();
        width = wide;
    }).observe(parts.picture);
    // Each run moves the pulse, and what is to come changes slowly: once a minute is enough.
    return live(read, EVERY);
}

function notes({ jobs, left_out: out, from, minutes }) {
    const changes = clockChanges(Date.parse(from), Date.parse(from) + minutes.length * MINUTE);
    return [
        out > 0 && h("p", {}, `Only ${number(jobs)} jobs are in this forecast; ${number(out)} are left out, because there are too many or their times cannot be worked out.`),
        ...changes.map(change => h("p", {}, `Clocks in ${ZONE} go ${change.hours > 0 ? "forward" : "back"} at ${local(change.at, "hour")}: the times to the right of the mark are by the new clock.`)),
    ];
}

function options({ options: rows, peak, suggested_jitter_seconds: suggested }) {
    if (!rows.some(row => row.peak < peak.count)) return null;
    return table("What a jitter would make of the peak", [
        { name: "Jitter of each job", build: row => [row.jitter_seconds ? jitterWords(row.jitter_seconds) : "none", " ", row.jitter_seconds === suggested && suggested > 0 && h("span", { class: "badge active" }, "Suggested")] },
        { name: "Peak", number: true, build: row => `${number(row.peak)} a minute` },
        { name: "Less by", number: true, build: row => (row.peak < peak.count ? `${Math.round(100 - 100 * row.peak / peak.count)} %` : "—") },
    ], rows);
}

function hourly(answer) {
    const start = Date.parse(answer.from), rows = [];
    answer.minutes.forEach((count, n) => {
        const hour = Math.floor((start + n * MINUTE) / 3_600_000) * 3_600_000;
        if (rows.at(-1)?.hour !== hour) rows.push({ hour, runs: 0, most: 0, flat: 0 });
        const row = rows.at(-1);
        row.runs += count;
        row.most = Math.max(row.most, count);
        row.flat = Math.max(row.flat, answer.flattened[n]);
    });
    return table("Runs due in each hour", [
        { name: "Hour", build: row => h("time", { datetime: new Date(row.hour).toISOString(), title: utc(row.hour) }, local(row.hour, "short")) },
        { name: "Runs", number: true, build: row => number(row.runs) },
        { name: "Most in a minute", number: true, build: row => number(row.most) },
        { name: "With the jitter", number: true, build: row => number(row.flat) },
    ], rows);
}

function config(answer, width) {
    const found = steps(answer, width);
    const jitter = answer.suggested_jitter_seconds;
    const peak = Date.parse(answer.peak.at);
    const top = found.findLastIndex(step => step.at <= peak);
    const end = Date.parse(answer.from) + answer.minutes.length * MINUTE;
    const changes = clockChanges(Date.parse(answer.from), end).map(change => found.findIndex(step => step.at >= change.at));
    const curve = { stepped: true, pointRadius: 0, pointHitRadius: 8, borderWidth: 1.5 };
    // The first is drawn last, on top.
    const datasets = [
        { label: `Peak: ${number(answer.peak.count)} at ${local(peak, "hour")}`, data: found.map((_, n) => (n === top ? answer.peak.count : null)), pointStyle: "triangle", pointRadius: 7, clip: 10, showLine: false, borderColor: colour("--failed"), backgroundColor: colour("--failed") },
        jitter > 0 && { ...curve, label: `With a jitter of ${jitterWords(jitter)}`, data: found.map(step => step.flattened), borderColor: colour("--success"), borderDash: [5, 3], borderWidth: 2, fill: false },
        { ...curve, label: "As planned", data: found.map(step => step.planned), borderColor: colour("--accent"), backgroundColor: `color-mix(in srgb, ${colour("--accent")} 22%, transparent)`, fill: "origin" },
    ].filter(Boolean);
    const apart = [1, 2, 3, 4, 6].find(hours => HOURS / hours * 75 <= width) ?? 6; // hours between two labels
    const isMarked = at => at.getMinutes() === 0 && at.getHours() % apart === 0;
    return {
        type: "line",
        data: { labels: found.map(step => local(step.at, "hour")), datasets },
        plugins: [clockMarks],
        options: {
            scales: { x: { grid: { display: false }, ticks: { autoSkip: false, callback: n => (isMarked(new Date(found[n].at)) ? local(found[n].at, "hour") : null) } }, y: { beginAtZero: true, suggestedMax: answer.peak.count, ticks: { precision: 0, maxTicksLimit: 6 }, title: { display: width > 500, text: "runs a minute" } } },
            plugins: { legend: { position: "bottom", reverse: true, labels: { color: colour("--text-soft"), boxWidth: 18, usePointStyle: false } }, clockMarks: { at: changes, colour: colour("--skipped") } },
        },
    };
}

/** A line where the reader's clocks change. */
const clockMarks = {
    id: "clockMarks",
    afterDatasetsDraw({ ctx, chartArea, scales }, _, { at = [], colour: line }) {
        for (const index of at) {
            const x = scales.x.getPixelForValue(index);
            Object.assign(ctx, { strokeStyle: line, fillStyle: line, lineWidth: 2 });
            ctx.beginPath();
            ctx.moveTo(x, chartArea.top);
            ctx.lineTo(x, chartArea.bottom);
            ctx.stroke();
            ctx.fillText("clocks change", Math.min(x + 4, chartArea.right - 70), chartArea.top + 10);
        }
    },
};
