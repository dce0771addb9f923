// What a job is: its facts and policies in words, and why it does not run where it does not.
import { get } from "../kit/api.js";
import { h } from "../kit/dom.js";
import { doing, runNow } from "../kit/job_actions.js";
import { number, time } from "../kit/time.js";
import { jobPage, mayWrite, seesTenant } from "../kit/viewer.js";

const counted = (count, word) => `${number(count)} ${word}`;
const seconds = value => (value < 120 || value % 60 ? counted(value, "s") : value % 3600 ? counted(value / 60, "min") : counted(value / 3600, "h"));
const page = document.documentElement.dataset;

export function facts(job) {
    const known = [
        ["Next run", job.next_run_time ? h("span", {}, time(job.next_run_time), " (", time(job.next_run_time, "ago"), ")") : "None"],
        ["Time zone", job.timezone],
        ["Last success", job.last_success ? time(job.last_success) : "Never"],
        ["Last failure", job.last_failure ? time(job.last_failure) : "Never"],
        ["Failures in a row", number(job.consecutive_failures)],
        ["Why it failed", job.failure_reason],
        ["Target", h("code", {}, job.target)],
        ["Type", job.task_type],
        ["Category", job.task_category],
        ["Platform", job.platform],
        ["Website", job.website_url],
        ["Owner", seesTenant && (job.user_id || "Nobody")],
        ["External key", job.external_key && h("code", {}, job.external_key)],
        ["Window", windowOf(job.trigger)],
        ["Version", h("span", {}, `${number(job.version)}, changed `, time(job.updated_at, "ago"))],
    ];
    return [
        h("dl", { class: "facts" }, known.filter(([, value]) => value).map(([name, value]) => [h("dt", {}, name), h("dd", {}, value)])),
        h("h3", { class: "policies-title" }, "What happens when"),
        h("ul", { class: "policies" }, policies(job.policies, job.trigger).map(text => h("li", {}, text))),
        payload(job),
    ];
}

function windowOf({ starts_at: from, ends_at: to }) {
    if (!from && !to) return null;
    return h("span", {}, from && ["from ", time(from)], from && to && " ", to && ["to ", time(to)]);
}

function payload(job) {
    if (job.payload_error) return h("p", { class: "notice failed" }, job.payload_error);
    return h("details", { class: "payload" }, h("summary", {}, "Payload"), h("pre", { tabindex: "0" }, JSON.stringify(job.payload, null, 2)));
}

/** One sentence for each policy that has a say in this job. */
export function policies(policy, trigger) {
    const scheduled = trigger.type !== "manual";
    const late = `A time that is late by more than ${seconds(policy.misfire_grace_seconds)}`;
    const misfire = {
        fire_once: `${late} is run once, for the latest; the others are skipped.`,
        fire_all: `${late} is run all the same, at most ${number(policy.misfire_max_runs)} of them, ${seconds(policy.misfire_pace_seconds)} apart.`,
        skip: `${late} is skipped.`,
    };
    const overlap = {
        skip: "A time that comes while a run is still going is skipped.",
        queue: "A time that comes while a run is still going waits for its end.",
        allow: "A time that comes while a run is still going runs beside it.",
        replace: "A time that comes while a run is still going takes its place.",
    };
    const { max_attempts: tries, max_concurrency: beside, cool_off_after: after } = policy;
    return [
        scheduled && misfire[policy.misfire],
        scheduled && overlap[policy.overlap],
        beside !== null && `At most ${number(beside)} ${beside === 1 ? "run goes" : "runs go"} at once.`,
        policy.jitter_seconds > 0 && `Each run starts up to ${seconds(policy.jitter_seconds)} later, always by the same.`,
        `A run may take ${seconds(policy.timeout_seconds)}.`,
        tries === 1 ? "A run that fails is not tried again."
            : `A run that fails is tried up to ${number(tries)} times, first after ${seconds(policy.retry_delay_seconds)}, at most ${seconds(policy.retry_max_delay_seconds)} apart.`,
        after > 0 ? `After ${number(after)} failures in a row it cools off, for ${seconds(policy.cool_off_seconds)} at first.` : "It never cools off, however often it fails.",
        policy.priority !== 0 && `Its priority is ${policy.priority}.`,
    ].filter(Boolean);
}

/** Why it does not run as it should, with what to do; `stopped` is what `stopOf` found. Null while all is well. */
export function notice(job, stopped) {
    if (job.status === "paused") {
        return told("", ["Paused", job.paused_at && [" ", time(job.paused_at, "ago")], job.pause_reason ? `: ${job.pause_reason}` : "."],
            "Nothing runs by the schedule until somebody resumes it; the times that pass are recorded as skipped.");
    }
    if (job.quarantine_reason) {
        return told("failed", `In quarantine: ${job.quarantine_reason}`, "Its schedule cannot be worked out, and it does not run by it. Edit the schedule; saving it ends the quarantine.", editLink(job));
    }
    if (job.status !== "needs_intervention") return null;
    const row = `It failed ${number(job.consecutive_failures)} times in a row${job.failure_reason ? `: ${job.failure_reason}` : "."}`;
    const now = mayWrite && h("button", { class: "button", type: "button", onclick: event => doing(event.currentTarget, () => runNow(job)) },
        stopped?.cool_off_until ? "End the cool-off and run now" : "Run now");
    if (stopped?.cool_off_until) {
        return told("failed", ["Cooling off: it may run again ", time(stopped.cool_off_until, "ago"), ". ", row],
            "Until then its times are skipped. Mend what fails, then run it now; a success ends the cool-off.", now);
    }
    return told("failed", row, "It runs on by its schedule. Look at its last failure below and mend the cause.", now);
}

function told(kind, what, then, action = null) {
    return h("div", { class: `notice ${kind} job-notice` }, h("p", {}, h("strong", {}, what)), h("p", {}, then), action);
}

const editLink = job => mayWrite && h("a", { class: "button", href: `${jobPage(job.id)}edit/` }, "Edit the schedule");

/** The entry of the job among those that need somebody, which knows until when it cools off; null where there is none. */
export async function stopOf(job) {
    if (job.status !== "needs_intervention" || !job.user_id) return null;
    try {
        const { tasks } = await get(`tasks-needing-intervention/${encodeURIComponent(job.user_id)}`);
        return tasks.find(one => String(one.task_id) === job.id) ?? null;
    } catch (error) {
        if (error.detail === undefined) throw error;
        return null;
    }
}
