// Several jobs at once: chosen by their boxes, paused or resumed one after the other, with what was refused.
import { ask } from "../kit/dialogs.js";
import { fill, find, findAll, h } from "../kit/dom.js";
import { pauseJob, resumeJob } from "../kit/job_actions.js";
import { number } from "../kit/time.js";

const jobs = count => `${number(count)} ${count === 1 ? "job" : "jobs"}`;

/** The `mark` of jobRow. `bar` shows what is chosen; `read()` reads the list anew. */
export function selection(bar, read) {
    const chosen = new Map();
    const told = h("p", { role: "status" });
    const refusals = h("ul", { class: "small" });
    const pause = h("button", { class: "button small", type: "button", onclick: askPause }, "Pause");
    const resume = h("button", { class: "button small", type: "button", onclick: () => all("Resuming", "resumed", resumeJob) }, "Resume");
    const page = h("button", { class: "button small quiet", type: "button", onclick: () => tick(true) }, "Select all shown");
    const none = h("button", { class: "button small quiet", type: "button", onclick: clear }, "Clear selection");
    fill(bar, told, pause, resume, page, none, refusals);
    let busy = false;

    function show(text = null) {
        told.textContent = text ?? `${jobs(chosen.size)} selected`;
        bar.hidden = !chosen.size && !text;
        for (const button of [pause, resume, page]) button.disabled = busy || !chosen.size;
        none.disabled = busy;
    }

    function tick(on) {
        for (const box of findAll(".job-tick")) if (box.checked !== on && !box.closest("[hidden]")) box.click();
    }

    function clear() {
        tick(false);
        chosen.clear();
        refusals.replaceChildren();
        show();
        find("#f-search").focus();
    }

    function askPause() {
        return ask({
            title: `Pause ${jobs(chosen.size)}`, action: "Pause", reason: "required",
            text: "Their schedules stop until somebody resumes them. Runs that exist go on.",
            run: reason => { all("Pausing", "paused", job => pauseJob(job, reason)); },
        });
    }

    async function all(doing, done, act) {
        const [asked, refused] = [[...chosen.values()], []];
        busy = true;
        refusals.replaceChildren();
        for (const [place, job] of asked.entries()) {
            show(`${doing} ${number(place + 1)} of ${number(asked.length)}`);
            try {
                chosen.set(job.id, await act(job));
            } catch (error) {
                if (error.detail === undefined) throw error;
                refused.push(`${job.name}: ${error.status === 412 ? "somebody else changed it meanwhile." : error.message}`);
            }
        }
        busy = false;
        fill(refusals, refused.map(text => h("li", {}, text)));
        show(`${jobs(asked.length - refused.length)} ${done}${refused.length ? `, ${number(refused.length)} refused:` : "."}`);
        await read();
    }

    return {
        /** A job that is read anew is known by its new version from then on. */
        has(job) {
            if (!chosen.has(job.id)) return false;
            if (!busy) chosen.set(job.id, job);
            return true;
        },
        set(job, on) {
            if (on) chosen.set(job.id, job);
            else chosen.delete(job.id);
            refusals.replaceChildren();
            show();
        },
    };
}
