// The last 24 hours as three charts, each in words and as a table too.
import { chart, colour } from "../kit/charts.js";
import { fill, h, renew } from "../kit/dom.js";
import { table } from "../kit/lists.js";
import { local, number, span, utc, ZONE } from "../kit/time.js";

const hourOf = row => h("time", { datetime: row.hour, title: utc(row.hour) }, local(row.hour, "hour"));
const OUTCOMES = [["succeeded", "Succeeded", "--success-bar"], ["failed", "Failed", "--failed"], ["skipped", "Skipped", "--skipped"]];
const percentiles = field => [
    { name: "Median", number: true, build: row => span(row[field]?.p50) }, { name: "p99", number: true, build: row => span(row[field]?.p99) }];

const FIGURES = [
    {
        title: "Outcomes per hour", note: "How runs ended. Skipped are due times that had no run.",
        columns: OUTCOMES.map(([field, name]) => ({ name, number: true, build: row => number(row[field]) })),
        some: row => row.succeeded + row.failed + row.skipped > 0,
        words: ({ totals }) => `${OUTCOMES.map(([field, name]) => `${number(totals[field])} ${name.toLowerCase()}`).join(", ")}.`,
        build: rows => ({
            type: "bar",
            data: { labels: labels(rows), datasets: OUTCOMES.map(([field, label, name]) => ({ label, data: rows.map(row => row[field]), backgroundColor: colour(name) })) },
            options: { scales: { x: { stacked: true }, y: { stacked: true, beginAtZero: true, ticks: { precision: 0 } } } },
        }),
    },
    lines("lag_ms", "Start lag", "From the time a run was due until it started."),
    lines("duration_ms", "Durations", "From the start of a run until its end."),
];

function lines(field, title, note) {
    return {
        title, note: `${note} Half took less than the median, 99 of 100 less than p99.`, columns: percentiles(field), some: row => row[field] !== null,
        words: ({ hours }) => {
            const known = hours.filter(row => row[field]);
            const worst = known.reduce((one, row) => (row[field].p99 > one[field].p99 ? row : one), known[0]);
            const medians = known.map(row => row[field].p50);
            return `median from ${span(Math.min(...medians))} to ${span(Math.max(...medians))}; the highest p99 ${span(worst[field].p99)}, in the hour from ${local(worst.hour, "hour")}.`;
        },
        build: rows => ({
            type: "line",
            data: { labels: labels(rows), datasets: [series(rows, field, "p50", "Median", "--running"), series(rows, field, "p99", "p99", "--accent", [5, 3])] },
            options: {
                scales: { x: {}, y: { beginAtZero: true, grace: "5%", ticks: { callback: span, maxTicksLimit: 6 } } },
                plugins: { legend: { position: "bottom", labels: { color: colour("--text-soft"), usePointStyle: true, pointStyle: "line" } },
                    tooltip: { callbacks: { label: one => `${one.dataset.label}: ${span(one.parsed.y)}` } } },
            },
        }),
    };
}

const labels = rows => rows.map(row => local(row.hour, "hour"));
function series(rows, field, percentile, label, name, borderDash = []) {
    const line = colour(name);
    return { label, data: rows.map(row => row[field]?.[percentile] ?? null), borderColor: line, backgroundColor: line, borderDash, borderWidth: 2, pointRadius: 2 };
}

let shown = null, figures = null, drawn = false;

export function showHours(body, answer, zone) {
    shown = answer;
    if (!figures?.[0].element.isConnected) {
        figures = FIGURES.map(figureOf);
        fill(body, figures.map(one => one.element));
    }
    zone.textContent = `Times of ${ZONE}${answer.hours.some(row => row.sampled) ? "; of busy hours a sample was timed" : ""}`;
    for (const figure of figures) figure.show();
    if (drawn) drawHours();
}

/** Draws them with Chart.js, which is loaded by the first call: after everything that can be read without it. */
export async function drawHours() {
    drawn = true;
    for (const figure of figures ?? []) await figure.draw();
}

function figureOf({ title, note, columns, some, words, build }) {
    const canvas = h("canvas", { role: "img" });
    const box = h("div", { class: "chart" }, canvas);
    const nothing = h("p", { class: "nothing" }, "Nothing ran in the last 24 hours.");
    const rows = h("div", {});
    const same = h("details", {}, h("summary", {}, "As a table", h("span", { class: "visually-hidden" }, `: ${title.toLowerCase()}`)), rows);
    let redraw = null, drawnFor = null;
    return {
        element: h("figure", { class: "hours-figure" }, h("figcaption", {}, h("strong", {}, title), h("span", { class: "soft small" }, note)), nothing, box, same),
        show() {
            const any = shown.hours.some(some);
            box.hidden = same.hidden = !any;
            nothing.hidden = any;
            if (!any) return;
            canvas.setAttribute("aria-label", `${title} in the last 24 hours: ${words(shown)}`);
            const of = shown.hours.filter(some).reverse();
            renew(rows, of, () => table(`${title}, newest first`, [{ name: "Hour from", build: hourOf }, ...columns], of));
        },
        async draw() {
            if (box.hidden || drawnFor === shown) return;
            drawnFor = shown;
            if (redraw) redraw();
            else redraw = await chart(canvas, () => build(shown.hours));
        },
    };
}
