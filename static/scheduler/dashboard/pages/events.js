// The journal: what the scheduler did with the tenant's jobs, day by day.
import { get, send } from "../kit/api.js";
import { ask, say } from "../kit/dialogs.js";
import { find, h, renew } from "../kit/dom.js";
import { EVENT_TONES, EVENT_WORDS, eventSentence } from "../kit/events.js";
import { bindFilters, newerThan, pager, query, setQuery } from "../kit/lists.js";
import { live, refresh } from "../kit/live.js";
import { empty, reading } from "../kit/states.js";
import { local, number, time } from "../kit/time.js";
import { jobPage } from "../kit/viewer.js";

const LIMIT = 50;
const DAY = new Intl.DateTimeFormat(undefined, { weekday: "long", year: "numeric", month: "long", day: "numeric" });
const [form, body, kept, newer] = ["#filters", "#events", "#kept", "#newer"].map(name => find(name));
let asking = new AbortController(), total = null;

const asked = () => {
    const { event_type: type, days, user_id: user } = query();
    return { event_type: type, days, user_id: user };
};

async function readPage() {
    const page = await get("event-history", { ...asked(), offset: query().offset, limit: LIMIT }, { signal: asking.signal });
    if (page.events.length || !page.offset) return page;
    setQuery({ offset: null });
    return readPage();
}

const read = reading(body, readPage, page => {
    total = page.total_count;
    newerThan(newer, null);
    renew(body, [page.events, page.total_count, page.offset], () => {
        if (!page.events.length) return none();
        const days = Map.groupBy(page.events, event => DAY.format(new Date(event.event_date)));
        return [...[...days].map(([day, events]) => h("section", { class: "day", "aria-label": day }, h("h3", {}, day), h("ol", {}, events.map(event => line(event))))),
            pager(page, move, "events")];
    });
});

/** A first page is kept current; a later one says what came since. */
async function again() {
    if (!body.hasAttribute("data-read")) return null;
    if (!Number(query().offset)) return read();
    const { signal } = asking;
    const { total_count: now } = await get("event-history", { ...asked(), limit: 1 }, { signal });
    if (!signal.aborted) newerThan(newer, total, now, () => move(0));
}

function line(event) {
    const said = eventSentence(event);
    const facts = Object.entries({ ...event, ...event.event_data }).filter(([name, value]) => value !== null && !["event_data", "created_at", "event_type", "event_date"].includes(name));
    return h("li", {},
        time(event.event_date, "clock"),
        h("span", { class: `badge ${EVENT_TONES[event.event_type] ?? ""}` }, EVENT_WORDS[event.event_type]),
        h("div", { class: "event-said" },
            h("p", {}, event.job_id ? h("a", { class: "job-name", href: jobPage(event.job_id) }, said) : said),
            h("details", { "data-key": event.id }, h("summary", { class: "small soft" }, "Details"),
                h("dl", { class: "facts small" }, facts.flatMap(([name, value]) => [h("dt", {}, name.replaceAll("_", " ")), h("dd", {}, typeof value === "object" ? JSON.stringify(value) : String(value))])))));
}

function none() {
    const { event_type: type, user_id: user, days } = query();
    return type || user
        ? empty("No such events", `The journal has no line of this kind in the last ${days || 7} days.`, { name: "search" })
        : empty("Nothing has happened yet", "The journal has a line for each change of a job, each failure and recovery, and each minute in which something was due.");
}

async function readKept() {
    const { total_events: all, events_by_type: types, date_range: { oldest_event: oldest } } = await get("event-logs/stats", { user_id: query().user_id });
    for (const option of form.elements.event_type.options) {
        if (option.value) option.textContent = `${EVENT_WORDS[option.value]} (${number(types[option.value] ?? 0)})`;
    }
    kept.textContent = all ? `${number(all)} kept, since ${local(oldest, "short")}` : "";
}

async function move(offset) {
    setQuery({ offset: offset || null }, { push: true });
    await changed();
    find("#events-title").scrollIntoView({ block: "nearest" });
}

function changed() {
    asking.abort();
    asking = new AbortController();
    body.removeAttribute("data-read");
    readKept().catch(() => { kept.textContent = ""; });
    return read();
}

/** First how many there are, then the question. */
async function cleanUp() {
    const days = h("input", { class: "input", id: "clean-days", type: "number", min: 1, max: 365, value: "90" });
    const chosen = await ask({ title: "Clean up old events", text: h("span", { class: "field" }, h("label", { for: "clean-days" }, "Older than so many days"), days), action: "How many are there?",
        run: async () => { await count(days.value); } });
    if (!chosen) return;
    const would = await count(days.value);
    if (!would) return say("There are none as old as that.");
    const done = await ask({ title: `Delete ${number(would)} ${would === 1 ? "event" : "events"}?`, text: `All that are older than ${days.value} days go. Executions and their outputs stay.`, action: "Delete", danger: true,
        run: async () => {
            const { deleted_count: deleted } = await send("POST", "cleanup-event-logs", null, { parameters: { older_than_days: days.value } });
            say(`${number(deleted)} deleted.`);
        } });
    if (done) await refresh();
}

const count = async days => (await send("POST", "cleanup-event-logs", null, { parameters: { older_than_days: days, dry_run: true } })).would_delete_count;

bindFilters(form, changed);
find("#clean-up")?.addEventListener("click", cleanUp);
changed();
live(again);
live(() => readKept().catch(() => {}), 30_000);
