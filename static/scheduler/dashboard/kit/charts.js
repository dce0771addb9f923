// Chart.js of django-unfold, loaded when a page first draws, in the colours of the page.
const page = document.documentElement.dataset;
const drawn = new Set();
let library = null;

function load() {
    library ??= new Promise((resolve, reject) => {
        const script = document.createElement("script");
        script.src = page.chart;
        script.onload = () => resolve(window.Chart);
        script.onerror = () => reject(new Error("The charts could not be loaded."));
        document.head.append(script);
    });
    return library;
}

/** A colour of tokens.css as the browser computes it now: `colour("--success")`. */
export function colour(name) {
    const probe = document.createElement("i");
    probe.style.color = `var(${name})`;
    document.body.append(probe);
    const value = getComputedStyle(probe).color;
    probe.remove();
    return value;
}

/** Draw on `canvas`; `build()` returns a Chart.js configuration and is run again when data or theme change. Returns redraw. */
export async function chart(canvas, build) {
    const Chart = await load();
    const draw = () => {
        const config = build();
        const before = Chart.getChart(canvas);
        const { text, line } = { text: colour("--text-soft"), line: colour("--line") };
        config.options = { animation: false, maintainAspectRatio: false, responsive: true, interaction: { mode: "index", intersect: false }, ...config.options };
        for (const axis of Object.values(config.options.scales || {})) {
            axis.ticks = { color: text, maxRotation: 0, autoSkipPadding: 12, ...axis.ticks };
            axis.grid = { color: line, ...axis.grid };
            if (axis.title) axis.title.color = text;
        }
        config.options.plugins = { legend: { position: "bottom", labels: { color: text, boxWidth: 12 } }, ...config.options.plugins };
        if (before) {
            before.data = config.data;
            before.options = config.options;
            before.update("none");
        } else new Chart(canvas, config);
    };
    drawn.add(draw);
    draw();
    return draw;
}

const redraw = () => drawn.forEach(draw => draw());
new MutationObserver(redraw).observe(document.documentElement, { attributes: true, attributeFilter: ["data-theme"] });
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
