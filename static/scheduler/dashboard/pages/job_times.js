// A job's times to come, on the wall clock of its zone and of the reader, and the strip of those that were.
import { fill, h, renew } from "../kit/dom.js";
import { strip, tally } from "../kit/outcomes.js";
import { table } from "../kit/lists.js";
import { empty, failed } from "../kit/states.js";
import { time, ZONE } from "../kit/time.js";

/** A time on the wall clock of `zone`, or as the API wrote it where the browser does not know the zone. */
function clockOf(zone) {
    try {
        const format = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium", timeZone: zone });
        return run => format.format(new Date(run.run_time));
    } catch {
        return run => run.local_time.replace("T", " ");
    }
}

/** `cools` is until when the job cools off, or null. */
export function nextRuns(element, job, answer, cools = null) {
    if (answer instanceof Error) {
        fill(element, failed(answer));
        element.filledFor = null;
        return;
    }
    renew(element, [answer, job.status, cools], () => {
        if (!answer.next_runs.length) {
            return job.trigger.type === "manual" ? empty("By hand only", "It has no schedule: it runs when somebody triggers it.", { name: "clock" })
                : empty("None", "The schedule names no more times.", { name: "clock" });
        }
        const here = clockOf(answer.timezone);
        const columns = [
            { name: `Your time (${ZONE})`, build: run => time(run.run_time) },
            answer.timezone !== ZONE && { name: answer.timezone, build: here },
            { label: "Notes", build: notes },
        ].filter(Boolean);
        const held = job.status === "paused" ? ["While it is paused, none of these runs."]
            : cools && ["Until its cool-off ends, ", time(cools, "ago"), ", none of these runs."];
        return [held && h("p", { class: "held small soft" }, held), table("Times to come", columns, answer.next_runs)];
    });
}

function notes(run) {
    const words = [
        run.transition && h("span", { class: "badge skipped" }, "Clock change"),
        run.blackout && h("span", { class: "badge paused" }, "Blackout"),
        run.note, run.blackout,
        run.run_at !== run.run_time && ["starts ", time(run.run_at, "clock"), " with its jitter"],
    ].filter(Boolean);
    return words.length ? h("span", { class: "run-notes small" }, words.map(word => h("span", {}, word))) : null;
}

export function lastRuns(element, outcomes) {
    if (outcomes instanceof Error) {
        if (!element.filledFor) fill(element, h("p", { class: "soft" }, outcomes.message));
        return;
    }
    renew(element, outcomes, () => [strip(outcomes, 50), h("p", { class: "soft small" }, `${tally(outcomes)}.`)]);
}
