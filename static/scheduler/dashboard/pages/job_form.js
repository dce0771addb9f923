// The form of a job: made by POST under one Idempotency-Key, changed by PATCH with the version that was opened.
import { ApiError, get, send } from "../kit/api.js";
import { fill, find, findAll, h } from "../kit/dom.js";
import { failed } from "../kit/states.js";
import { ZONE } from "../kit/time.js";
import { look, unsendable } from "./job_form/checks.js";
import { differing, whose } from "./job_form/conflict.js";
import * as draft from "./job_form/draft.js";
import { clear, focusNotice, mark, note, refuse, tell } from "./job_form/errors.js";
import { addOption, arrange, form, read, show } from "./job_form/fields.js";
import { concerns, preview, previewSoon, touch } from "./job_form/preview.js";
import { bodyOf, changesOf, valuesOf } from "./job_form/values.js";
import { words } from "./job_form/words.js";

const pages = document.documentElement.dataset.pages;
const buttons = () => [find("#save"), find("#save-and-run")].filter(Boolean);
let state, defaults, leaving = false, pressed = false;

/** randomUUID() exists only where the page came over HTTPS. */
const unique = () => [...crypto.getRandomValues(new Uint8Array(16))].map(byte => byte.toString(16).padStart(2, "0")).join("");
const dirty = () => differing(state.base, read()).length > 0;
const leave = path => { leaving = true; location.assign(pages + path); };
const refused = error => { if (!(error instanceof ApiError)) throw error; return error; };

function start() {
    fill(find("#zones"), [...new Set(["UTC", ...Intl.supportedValuesOf("timeZone")])].map(value => h("option", { value })));
    form.elements.timezone.value = ZONE;
    defaults = read();
    // `lost` are values whose request got no answer: whether it made a job is not known.
    state = { id: null, version: null, base: defaults, key: unique(), lost: null, renew: false };
    arrange();
    choices();
    if (form.dataset.job) open();
    else ready();
}

async function choices() {
    const asked = [get("dashboard"), get("calendars", { limit: 50 }), get("jobs/categories")];
    const [tasks, calendars, categories] = (await Promise.allSettled(asked)).map(({ value }) => value);
    for (const name of tasks?.registered_task_types ?? []) addOption(form.elements.target, name, { http_request: "HTTP request: call a URL", http_check: "HTTP check: status, latency, certificate" }[name] ?? name);
    for (const { id, name } of calendars?.calendars ?? []) addOption(form.elements.calendar, id, name);
    fill(find("#categories"), (categories?.categories ?? []).map(({ category }) => h("option", { value: category })));
    words(read());
}

async function open() {
    try {
        edit(await get(`jobs/${form.dataset.job}`));
        ready();
    } catch (error) {
        fill(find("#form-state"), h("section", { class: "card" }, failed(refused(error), error.status === 404 || error.status === 403 ? null : open)));
    } finally {
        find("#form-state").removeAttribute("aria-busy");
    }
}

/** From here on `job` is what is changed. */
function edit(job, values = { ...defaults, ...valuesOf(job) }) {
    state = { ...state, id: job.id, version: job.version, base: values, renew: job.payload === null };
    show(values);
    fill(find("#form-title"), `Change ${job.name}`);
    document.title = document.title.replace(/^.*(?= · )/, `Change ${job.name}`);
    if (job.payload_error) tell(job.payload_error);
}

function ready() {
    fill(find("#form-state"));
    form.inert = false;
    const kept = draft.take();
    if (kept) {
        state = kept.state;
        show(kept.values);
        note("You are signed in again. What you had typed is back; it is not saved yet.");
    }
    changed();
    preview();
}

function changed() {
    arrange();
    words(read());
}

async function save(run = false) {
    if (form.hasAttribute("aria-busy")) return;
    clear();
    const values = read(), unready = unsendable(values);
    if (Object.keys(unready).length) return refuse(unready);
    busy(true);
    try {
        const job = state.id ? await change(values) : await create(values);
        if (job && (!run || await started(job))) leave(`jobs/${job.id}/`);
    } catch (error) {
        explain(refused(error));
    } finally {
        busy(false);
    }
}

async function create(values) {
    if (state.lost && differing(state.lost, values).length) {
        const made = await post(state.lost).catch(error => { if (refused(error) && state.lost) throw error; });
        if (made) {
            edit(made, state.answered);
            show(values);
            return change(values);
        }
    }
    return post(values);
}

async function post(values) {
    state.lost = state.answered = values;
    try {
        const job = await send("POST", "jobs", bodyOf(values), { key: state.key });
        state.lost = null;
        return job;
    } catch (error) {
        // A refusal is an answer: nothing was made. Not so when an earlier one is still at work (409), or nothing came back.
        if (refused(error).status >= 400 && error.status < 500 && error.status !== 409) state.lost = null;
        throw error;
    }
}

async function change(values) {
    const changes = changesOf(bodyOf(state.base), bodyOf(values));
    if (state.renew) changes.payload = bodyOf(values).payload;
    if (!Object.keys(changes).length) return { id: state.id };
    try {
        return await send("PATCH", `jobs/${state.id}`, changes, { version: state.version });
    } catch (error) {
        if (refused(error).status !== 412) throw error;
        return settle(values);
    }
}

/** The job is another than the one that was opened. Resolves to the saved job, or null to go on with the form. */
async function settle(mine) {
    const job = await get(`jobs/${state.id}`), theirs = { ...defaults, ...valuesOf(job) };
    if (JSON.stringify(bodyOf(theirs)) === JSON.stringify(bodyOf(mine))) return job;  // the answer to our own change was lost
    const choice = await whose({ base: state.base, mine, theirs, job });
    if (choice === null) return null;
    const ours = choice === "mine" ? differing(state.base, mine) : [];
    const merged = { ...theirs, ...Object.fromEntries(ours.map(name => [name, mine[name]])) };
    edit(job, theirs);
    show(merged);
    changed();
    preview();
    if (choice === "mine") return change(merged);
    note("The form shows the job as it is now.");
    return null;
}

/** Run a new job at once. Where that is refused the job is made all the same: the form becomes that of a change. */
async function started(job) {
    try {
        await send("POST", `jobs/${job.id}/trigger`, {}, { key: `${state.key}-run` });
        return true;
    } catch (error) {
        edit(job, read());
        history.replaceState(null, "", `${pages}jobs/${job.id}/edit/`);
        find("#save-and-run").remove();
        fill(find("#save"), "Save changes");
        tell(h("span", {}, `The job was made, but not run: ${refused(error).message} `, h("a", { href: `${pages}jobs/${job.id}/` }, "Go to the job")));
        focusNotice();
        return false;
    }
}

function explain(error) {
    if (error.status === 401) return;
    if (Object.keys(error.errors).length) return refuse(error.errors);
    const again = state.id ? "Save again: a change that came through is not made twice." : "Save again: however often you try, it makes one job.";
    tell(error.status === 0 || error.status >= 500 ? `No answer came, so it is not known whether it is saved. ${again}` : error.message);
    focusNotice();
}

function busy(is) {
    form.toggleAttribute("aria-busy", is);
    if (is) form.setAttribute("aria-busy", "true");
    for (const button of buttons()) button.setAttribute("aria-disabled", String(is));
    find("#form-progress").textContent = is ? "Saving" : "";
}

function listen() {
    form.addEventListener("submit", event => { event.preventDefault(); save(); });
    find("#save-and-run")?.addEventListener("click", () => save(true));
    form.addEventListener("input", ({ target }) => {
        const name = target.name || "payload.headers";
        touch(name);
        mark(name, "");
        changed();
        look(name, read(), { leaving: false });
        if (concerns(name)) previewSoon();
    });
    // Not while a button is pressed: an error that appears would move the button away from under the pointer.
    document.addEventListener("pointerdown", () => { pressed = true; }, true);
    for (const name of ["pointerup", "pointercancel"]) document.addEventListener(name, () => setTimeout(() => { pressed = false; }), true);
    form.addEventListener("change", ({ target }) => {
        if (!target.name) return;
        const again = () => look(target.name, read(), { leaving: true });
        if (pressed) document.addEventListener("pointerup", () => setTimeout(again, 50), { once: true });
        else again();
    });
    for (const button of findAll("[data-preset]", form)) {
        button.addEventListener("click", () => {
            form.elements["trigger.cron_expression"].value = button.dataset.preset;
            form.elements["trigger.cron_expression"].dispatchEvent(new Event("input", { bubbles: true }));
        });
    }
    window.addEventListener("beforeunload", event => { if (!leaving && (dirty() || state.lost)) event.preventDefault(); });
    document.addEventListener("signed-out", () => {
        if (dirty() || state.lost) draft.keep({ state, values: read() });
        leaving = true;
    });
}

if (form) {
    listen();
    start();
}
