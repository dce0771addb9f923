// "Why didn't it run?" in sentences, and running what had no run.
import { get, send } from "../kit/api.js";
import { ask, say } from "../kit/dialogs.js";
import { fill, find, findAll, h } from "../kit/dom.js";
import { refresh } from "../kit/live.js";
import { badge, WORDS } from "../kit/outcomes.js";
import { query } from "../kit/lists.js";
import { empty, failed, loading } from "../kit/states.js";
import { number, time, ZONE } from "../kit/time.js";
import { opener } from "./job_runs.js";

const FATES = {
    upcoming: "To come", quarantined: "In quarantine", not_dispatched_yet: "Not dispatched yet", deleted: "Deleted",
    before_creation: "Not made yet", before_schedule: "Another schedule", not_recorded: "Not recorded", not_scheduled: "Not in the schedule",
};
const LIMIT = 100;
const instant = value => new Date(value).toISOString();

/** A Date as `datetime-local` has it, in the reader's zone. */
function plain(date) {
    return new Date(date.getTime() - date.getTimezoneOffset() * 60_000).toISOString().slice(0, 19);
}

/** The last day in both forms, in the zone of the reader. */
export function prepare() {
    const now = new Date();
    for (const form of findAll("#why-form, #backfill-form")) {
        setRange(form, new Date(now - 86_400_000), now);
        find("[data-zone]", form).textContent = `Times are yours (${ZONE}).`;
    }
}

function setRange(form, from, to) {
    form.elements.from.value = plain(from);
    form.elements.to.value = plain(to);
}

/** Returns a function that asks what the address names (`?from=&to=`), if it names anything. */
export function whyForm(jobId) {
    const [form, answer] = [find("#why-form"), find("#why")];
    form.addEventListener("submit", event => {
        event.preventDefault();
        tell({ from: instant(form.elements.from.value), to: instant(form.elements.to.value) });
    });

    async function tell(asked) {
        fill(answer, loading(3));
        try {
            const why = await get(`jobs/${jobId}/why`, { ...asked, limit: LIMIT });
            const more = why.has_more && h("div", { class: "card-foot" }, h("button", { class: "button small", type: "button",
                onclick: () => tell({ ...asked, from: why.next_from }) }, "Go on"));
            fill(answer, why.times.length ? h("ol", { class: "fates", "aria-label": "What became of its times" }, together(why.times).map(fate))
                : empty("No time", "The schedule names no time in this range, and nothing is recorded in it.", { name: "clock" }), more);
        } catch (error) {
            if (error.detail === undefined) throw error;
            fill(answer, failed(refusal(error)));
        }
    }

    return async function askAddressed() {
        const [from, to] = [query().from, query().to].map(value => new Date(value ?? ""));
        if (isNaN(from) || isNaN(to)) return;
        setRange(form, from, to);
        // The address is exact, the fields are of whole seconds.
        await tell({ from: query().from, to: query().to });
        find("#why-title").scrollIntoView();
    };
}

/** Neighbours without a run of which the same is to be said are one entry. */
function together(times) {
    const told = [];
    for (const one of times) {
        const last = told.at(-1);
        const same = last && !one.execution_id && one.outcome === last.outcome && one.sentence === last.sentence && one.note === last.note;
        if (same) told[told.length - 1] = { ...last, scheduled_until: one.scheduled_until, count: last.count === null || one.count === null ? null : last.count + one.count };
        else told.push(one);
    }
    return told;
}

function fate(one) {
    const word = WORDS[one.outcome] ? badge(one.outcome) : h("span", { class: "badge" }, FATES[one.outcome] ?? one.outcome);
    const range = one.scheduled_until !== one.scheduled_for;
    const when = [time(one.scheduled_for), range && [" to ", time(one.scheduled_until)]];
    return h("li", { class: "fate" },
        h("p", { class: "fate-when" }, one.execution_id ? opener(one.execution_id, when) : when,
            one.count > 1 && h("span", { class: "soft" }, ` ${number(one.count)} times`)),
        word, h("p", {}, one.sentence, one.note && ` ${one.note}`));
}

/** Counts first, and asks before it makes anything. */
export function backfillForm(job) {
    const [form, said] = [find("#backfill-form"), find("#backfill-said")];
    const tell = text => {
        said.textContent = text;
        said.hidden = false;
    };
    form.addEventListener("submit", async event => {
        event.preventDefault();
        const body = { from: instant(form.elements.from.value), to: instant(form.elements.to.value), pace_seconds: Number(form.elements.pace_seconds.value) };
        const make = (dry_run, reason = "") => send("POST", `jobs/${job().id}/backfill`, { ...body, dry_run, reason });
        try {
            const { found, already, message } = await make(true);
            const missing = found - already;
            tell(message);
            if (!missing) return;
            await ask({
                title: `Backfill ${job().name}`, action: missing === 1 ? "Make 1 run" : `Make ${number(missing)} runs`, reason: "optional",
                text: `The schedule names ${number(found)} times from ${form.elements.from.value.replace("T", " ")} to ${form.elements.to.value.replace("T", " ")}; ${number(already)} of them have an execution already. The others will run ${body.pace_seconds} s apart.`,
                run: async reason => {
                    const done = await make(false, reason);
                    tell(done.message);
                    say(done.message);
                },
            });
            await refresh();
        } catch (error) {
            if (error.detail === undefined) throw error;
            tell(refusal(error).message);
        }
    });
}

/** The sentences by field say more than that the request was invalid. */
function refusal(error) {
    const sentences = Object.values(error.errors).flat();
    return sentences.length ? new Error(sentences.join(" ")) : error;
}
