// Retrying what failed, many at a time, by the filters of the page.
import { get, send } from "../kit/api.js";
import { ask, say } from "../kit/dialogs.js";
import { refresh } from "../kit/live.js";
import { number } from "../kit/time.js";

/** Ask with the number first. The API takes the oldest 500 that nobody has retried. */
export async function retryFailed({ job_id: job, user_id: user, since, until }) {
    const filters = Object.fromEntries(Object.entries({ job_id: job, user_id: user, since, until }).filter(([, value]) => value));
    const { total_count: failed } = await get("execution-logs", { ...filters, status: "failed", retried: false, limit: 1 });
    if (!failed) return say("Nothing that matches has failed without a retry since.");
    const done = await ask({
        title: "Retry the failed ones?",
        text: `${number(failed)} ${failed === 1 ? "execution that matches has" : "executions that match have"} failed and had no retry. They run again as their jobs are today, the oldest first, 500 at a time.`,
        action: "Retry", reason: "optional",
        run: async reason => {
            const { retried, refused, has_more: more } = await send("POST", "executions/bulk-retry", { status: "failed", ...filters, ...(reason && { reason }) });
            const sentences = [retried.length ? `${number(retried.length)} will run again as soon as workers are free.` : "All of them have had a retry already."];
            if (refused.length) sentences.push(`${number(refused.length)} could not: ${refused[0].detail}`);
            if (more) sentences.push("There are more; repeat it for them.");
            say(sentences.join(" "), refused.length ? "failed" : "");
        },
    });
    if (done) await refresh();
    return done;
}
