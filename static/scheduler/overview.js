// The charts of the operators' first page. Chart.js comes with unfold, the numbers in the page's #overview-data.
const data = JSON.parse(document.getElementById("overview-data").textContent);
const GREEN = "#16a34a", RED = "#dc2626", BLUE = "#3b82f6", AMBER = "#f59e0b";
const SKIPS = [AMBER, "#8b5cf6", "#06b6d4", "#ec4899", "#64748b", "#84cc16", "#f97316", "#14b8a6"];
const charts = [];

function colours() {
    const dark = document.documentElement.classList.contains("dark");
    return dark ? { text: "#d4d4d8", grid: "#3f3f46" } : { text: "#3f3f46", grid: "#e4e4e7" };
}

function draw(id, datasets, labels, { stacked = false, legend = true, sideways = false } = {}) {
    const { text, grid } = colours();
    const counted = { stacked, beginAtZero: true, ticks: { color: text, precision: 0 }, grid: { color: grid } };
    const named = { stacked, ticks: { color: text, maxRotation: 0, autoSkip: !sideways }, grid: { display: false } };
    charts.push(new window.Chart(document.getElementById(id), {
        type: "bar",
        data: { labels, datasets },
        options: {
            animation: false,
            maintainAspectRatio: false,
            indexAxis: sideways ? "y" : "x",
            scales: sideways ? { x: counted, y: named } : { x: named, y: counted },
            plugins: { legend: { display: legend, position: "bottom", labels: { color: text, boxWidth: 12 } } },
        },
    }));
}

function drawAll() {
    charts.splice(0).forEach(chart => chart.destroy());
    draw("chart-outcomes", [
        { label: "succeeded", data: data.succeeded, backgroundColor: GREEN },
        { label: "failed", data: data.failed, backgroundColor: RED },
    ], data.hours, { stacked: true });
    const skips = Object.entries(data.skipped).map(([reason, counts], number) => (
        { label: reason, data: counts, backgroundColor: SKIPS[number % SKIPS.length] }));
    draw("chart-skips", skips.length ? skips : [{ label: "none", data: data.hours.map(() => 0) }], data.hours, { stacked: true });
    draw("chart-queue", [{ data: data.queue, backgroundColor: [GREEN, BLUE, "#94a3b8", RED] }],
        ["running", "waiting", "later", "expired"], { legend: false, sideways: true });
}

drawAll();
// The theme is a class of the root element, which its reader may switch.
new MutationObserver(drawAll).observe(document.documentElement, { attributes: true, attributeFilter: ["class"] });
