// The schedule in a sentence and its next ten runs, asked of the server while one types.
import { ApiError, send } from "../../kit/api.js";
import { debounce, fill, find, h } from "../../kit/dom.js";
import { ZONE, ago, local, utc } from "../../kit/time.js";
import { mark } from "./errors.js";
import { read } from "./fields.js";
import { previewOf } from "./values.js";

const FIELDS = ["trigger.cron_expression", "trigger.interval_seconds", "trigger.run_date", "trigger.anchor_at", "trigger.starts_at",
    "trigger.ends_at", "trigger.dst_gap", "trigger.dst_overlap", "timezone", "calendar"];
const TRIGGERS_MORE = new Set(["trigger.type", "interval_unit"]);
const card = find("#preview"), sentence = find("#preview-sentence"), zone = find("#preview-zone"), list = find("#preview-runs");
const touched = new Set();
let asked = "", latest = 0;

/** Names that were changed by hand: only there does the preview complain; elsewhere it says why in its own place. */
export const touch = name => touched.add(name);
export const concerns = name => FIELDS.includes(name) || TRIGGERS_MORE.has(name);

export const previewSoon = debounce(preview, 300);

export async function preview() {
    const body = previewOf(read()), key = JSON.stringify(body);
    if (key === asked) return;
    asked = key;
    const turn = latest += 1;
    card.setAttribute("aria-busy", "true");
    try {
        const answer = await send("POST", "jobs/preview", body);
        if (turn === latest) tell(answer);
    } catch (error) {
        if (!(error instanceof ApiError)) throw error;
        if (turn === latest) complain(error);
    } finally {
        if (turn === latest) card.removeAttribute("aria-busy");
    }
}

function tell({ frequency, timezone, next_runs: runs }) {
    for (const name of FIELDS) mark(name);
    say(frequency);
    const elsewhere = timezone !== ZONE && runs.length > 0;
    zone.textContent = runs.length ? `Times of ${timezone}${elsewhere ? ", then your own" : ""}` : "No time to come by itself; run it with “Run now” or over the API.";
    fill(list, runs.map(run => row(run, timezone, elsewhere)));
}

function complain(error) {
    asked = "";  // asked again when anything is typed
    const known = Object.entries(error.errors);
    for (const name of FIELDS) mark(name, touched.has(name) ? [error.errors[name]].flat().filter(Boolean).join(" ") : "");
    say("No schedule yet", true);
    zone.textContent = known.length ? known.flatMap(([, sentences]) => sentences).join(" ") : error.message;
    fill(list);
}

function say(text, wrong = false) {
    sentence.classList.toggle("wrong", wrong);
    if (sentence.textContent !== text) sentence.textContent = text;
}

function row({ run_time: at, local_time: wall, transition, note, blackout }, timezone, elsewhere) {
    return h("li", { class: blackout ? "blacked-out" : null },
        h("div", { class: "run" },
            h("time", { datetime: at, title: `${utc(at)}, ${ago(at)}` }, inZone(at, wall, timezone)),
            elsewhere && h("span", { class: "soft small" }, local(at, "short")),
            transition && h("span", { class: "badge skipped" }, "Clock change"),
            blackout && h("span", { class: "badge paused" }, "Blackout")),
        note && h("p", { class: "small" }, note),
        blackout && h("p", { class: "small" }, `It will be skipped. ${blackout}`));
}

function inZone(at, wall, timezone) {
    const form = { weekday: "short", year: "numeric", month: "short", day: "numeric", hour: "2-digit", minute: "2-digit" };
    if (new Date(at).getUTCSeconds()) form.second = "2-digit";
    try {
        return new Intl.DateTimeFormat(undefined, { ...form, timeZone: timezone }).format(new Date(at));
    } catch {
        return wall;  // a zone that this browser does not know
    }
}
