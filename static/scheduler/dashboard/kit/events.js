// The scheduler's journal in words: what each type is called, and one line of it as a sentence.
import { local, number, span } from "./time.js";

export const EVENT_WORDS = {
    check_cycle: "Check cycle", interval_adjustment: "Interval changed", start: "Scheduler began", stop: "Scheduler stopped",
    job_scheduled: "Job scheduled", job_cancelled: "Job cancelled", job_completed: "Job completed", job_failed: "Job failed",
};
// The badge that goes with a type.
export const EVENT_TONES = { job_failed: "failed", job_completed: "success", job_scheduled: "running", job_cancelled: "skipped" };
const ACTIONS = {
    "job.create": "was created", "job.update": "was changed", "job.pause": "was paused", "job.resume": "was resumed", "job.delete": "was deleted",
    "job.trigger": "was triggered by hand", "job.backfill": "was backfilled",
};

/** "Nightly invoices was paused: The billing service moves house." */
export function eventSentence(event) {
    const data = event.event_data ?? {};
    const job = data.job_name || "A job";
    switch (event.event_type) {
        case "check_cycle": return cycle(event);
        case "interval_adjustment": return `It looks every ${minutes(event.new_interval_minutes)} when nothing is due, where it was ${minutes(event.previous_interval_minutes)}`;
        case "start": return "A scheduler began to lead";
        case "stop": return `The scheduler stopped leading${because(data.reason)}`;
        case "job_completed": return `${job} succeeded${times(data.count)}${data.cool_off_closed ? ", and is well again" : ""}`;
        case "job_failed": return `${job} failed${times(data.count)}${because(event.error_message)}${left(data.cool_off_until)}`;
        default: return `${job} ${ACTIONS[data.action] ?? (event.event_type === "job_cancelled" ? "was taken off the schedule" : "was scheduled")}${because(data.reason)}`;
    }
}

function cycle({ tasks_found: found, tasks_executed: executed, tasks_failed: failed, check_duration_seconds: seconds }) {
    const took = seconds === null ? "" : `, in ${span(seconds * 1000)}`;
    if (!found && !executed && !failed) return `Nothing was due${took}`;
    return `${number(found)} due; since the line before, ${number(executed)} succeeded and ${number(failed)} failed${took}`;
}

const minutes = value => span((value ?? 0) * 60_000);
const because = reason => (reason ? `: ${reason}` : "");
const times = count => (count > 1 ? ` ${number(count)} times` : "");
const left = until => (until ? `. It is left alone until ${local(until, "short")}` : "");
