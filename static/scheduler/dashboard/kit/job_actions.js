// What may be done with a job: buttons that ask where that is due, do it, say what happened, and read the page anew.
import { send } from "./api.js";
import { ask, say } from "./dialogs.js";
import { find, h, icon } from "./dom.js";
import { refresh } from "./live.js";
import { jobPage, mayWrite } from "./viewer.js";


/** Buttons for `job`: icons with a name, or with `words` beside them. `gone()` runs after the job was deleted. */
export function jobTools(job, { words = false, gone = null } = {}) {
    if (!mayWrite) return [];
    const tool = (name, label, run) => h("button", {
        type: "button", class: words ? "button" : "button quiet small icon-only", "aria-label": words ? null : `${label} ${job.name}`,
        title: words ? null : label, onclick: event => doing(event.currentTarget, run) }, icon(name), words && label);
    const edit = h("a", {
        class: words ? "button" : "button quiet small icon-only", href: `${jobPage(job.id)}edit/`, "aria-label": words ? null : `Edit ${job.name}`,
        title: words ? null : "Edit" }, icon("edit"), words && "Edit");
    return [
        tool("trigger", "Trigger", () => trigger(job)),
        job.status === "paused" ? tool("play", "Resume", () => resume(job)) : tool("pause", "Pause", () => pause(job)),
        edit,
        tool("trash", "Delete", () => remove(job, gone)),
    ];
}

/** Runs an action of `button` once, then reads anew and leaves the focus near where it was. */
export async function doing(button, run) {
    if (button.disabled) return;
    const home = button.closest("[data-job]");
    button.disabled = true;
    try {
        await run();
    } finally {
        button.disabled = false;
    }
    if (button.isConnected) button.focus();
    await refresh();
    if (document.activeElement && document.activeElement !== document.body) return;
    const near = home?.isConnected ? find("button, a", home) : null;
    (near ?? find("#main")).focus();
}

const act = (job, deed, body = null, version = job.version) => send("POST", `jobs/${job.id}/${deed}`, body, { version });

export const pauseJob = (job, reason) => act(job, "pause", { reason });
export const resumeJob = job => act(job, "resume");

function trigger(job) {
    return told(job, async () => {
        await act(job, "trigger", null, null);
        say(`${job.name} will run as soon as a worker is free.`);
    }, true);
}

function resume(job) {
    return told(job, async () => {
        await resumeJob(job);
        say(`${job.name} goes on with its next time. What passed meanwhile is recorded as skipped.`);
    }, true);
}

function pause(job) {
    return ask({
        title: `Pause ${job.name}`, action: "Pause", reason: "required",
        text: "Its schedule stops until somebody resumes it. Runs that exist go on. The reason is shown to everybody who looks.",
        run: reason => told(job, async () => {
            await pauseJob(job, reason);
            say(`${job.name} is paused.`);
        }),
    });
}

function remove(job, gone) {
    return ask({
        title: `Delete ${job.name}`, action: "Delete", danger: true,
        text: "It does not run again, and nothing brings it back. What it has done stays in the executions.",
        run: () => told(job, async () => {
            await send("DELETE", `jobs/${job.id}`, null, { version: job.version });
            say(`${job.name} is deleted.`);
            gone?.();
        }),
    });
}

/** Clears a cool-off and runs the job now: for those that need somebody. */
export function runNow(job) {
    return told(job, async () => {
        await send("POST", `tasks/${encodeURIComponent(job.task_type)}/${job.id}/manual-trigger`);
        say(`${job.name} runs as soon as a worker is free; its cool-off is over.`);
    }, true);
}

/** What somebody else has done meanwhile is told, not asked about; `all`: every refusal, for there is no dialog to show it. */
async function told(job, run, all = false) {
    try {
        await run();
    } catch (error) {
        if (error.status === 412) say(`Somebody else changed ${job.name} meanwhile. Nothing was done; it is shown as it is now.`, "failed");
        else if (error.status === 404) say(`${job.name} is not there any more: somebody deleted it.`, "failed");
        else if (all && error.detail !== undefined) say(error.message, "failed");
        else throw error;
    }
}
