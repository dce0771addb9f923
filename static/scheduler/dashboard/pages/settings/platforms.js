// Connected platforms: credentials go in and do not come out; each has a monitoring job, which reconcile makes where it is missing.
import { get, send } from "../../kit/api.js";
import { say } from "../../kit/dialogs.js";
import { fill, find, h } from "../../kit/dom.js";
import { table } from "../../kit/lists.js";
import { empty, reading } from "../../kit/states.js";
import { time } from "../../kit/time.js";
import { fillIn } from "./forms.js";
import { act, change, settingsList, settled } from "./lists.js";
import { seesTenant } from "../../kit/viewer.js";
import { me, myRole } from "./roles.js";

const AREA = "platforms-list", mayWrite = myRole !== "viewer";
const page = document.documentElement.dataset;

export function platforms() {
    const list = settingsList({
        area: AREA, path: "connections", name: "connections", caption: "Connected platforms",
        nothing: () => empty("No platform is connected", "Connect one with its credentials; its figures are then fetched by a monitoring job."),
        columns: [
            { name: "Platform", build: one => h("div", {}, h("span", { class: "name" }, one.title), h("p", { class: "small soft" }, one.label || one.platform)) },
            seesTenant && { name: "Of", build: one => one.user_id },
            { name: "Status", build: one => h("span", { class: `badge ${one.status === "connected" ? "active" : "failed"}` }, one.status) },
            { name: "Credentials", build: one => one.has_credentials ? h("span", {}, "set ", time(one.credentials_updated_at, "ago")) : h("span", { class: "wrong" }, "none") },
            mayWrite && { label: "Actions", build: buttons },
        ].filter(Boolean),
    });
    const monitors = reading(find("#monitors-list"), () => get(`platform-insights/status/${encodeURIComponent(me)}`), status => showMonitors(status, read));
    const read = () => Promise.all([list.read(), monitors()]);
    find(`#${AREA}-add`)?.addEventListener("click", () => connect({ user_id: me }));

    async function connect(one) {
        const put = await fillIn({
            title: one.platform ? `Connect ${one.title} anew` : "Connect a platform", action: "Connect",
            text: "Credentials are kept encrypted and are never shown again.",
            fields: [
                !one.platform && { name: "platform", label: "Platform", required: true, autocapitalize: "none", help: "Its name in the API, such as gsc or bing." },
                { name: "credentials", label: "Credentials", type: "textarea", required: !one.platform, class: "input mono",
                    help: `A JSON object, such as {"refresh_token": "…"}.${one.platform ? " Left empty, those there are stay." : ""}` },
                { name: "label", label: "Label (optional)", value: one.label ?? "" },
            ].filter(Boolean),
            run({ platform = one.platform, credentials, label }) {
                const body = { label, ...(credentials ? { credentials: parsed(credentials) } : {}) };
                return send("PUT", `connections/${encodeURIComponent(platform)}`, body, { parameters: { user_id: one.user_id === me ? null : one.user_id } });
            },
        });
        if (!put) return;
        say(`${put.title} is connected.`);
        await monitors();
        await settled(list, AREA);
    }

    function buttons(one) {
        const who = seesTenant ? `${one.title} of ${one.user_id}` : one.title;
        return h("div", { class: "actions" },
            act("New credentials", who, () => connect(one)),
            act("Disconnect", who, async () => {
                await change(list, AREA, {
                    title: `Disconnect ${who}`, action: "Disconnect", danger: true,
                    text: "The credentials are forgotten, and its monitoring job is paused until the platform is connected again.",
                    run: () => send("DELETE", `connections/${one.platform}`, null, { parameters: { user_id: one.user_id === me ? null : one.user_id } }),
                }, `${who} is disconnected.`);
                await monitors();
            }, { danger: true }));
    }
    return read;
}

function showMonitors({ tasks, missing_platforms: missing }, read) {
    const place = find("#monitors-list");
    const button = mayWrite && h("button", { class: "button primary", type: "button", onclick: () => reconcile(button, read) }, "Create what is missing");
    fill(place,
        missing.length > 0 && h("div", { class: "card-body actions" },
            h("p", { class: "notice" }, `Without a monitoring job: ${missing.join(", ")}.`), button),
        tasks.length ? table("Monitoring jobs, as a table", [
            { name: "Job", build: task => h("a", { href: `${page.pages}jobs/${task.id}/` }, task.name) },
            { name: "Platform", build: task => task.platform },
            { name: "Status", build: task => h("span", { class: `badge ${task.status}` }, task.status.replaceAll("_", " ")) },
            { name: "Next run", build: task => time(task.next_run_time, "next") },
        ], tasks) : !missing.length && empty("No monitoring job", "Each platform that you connect gets one."));
}

async function reconcile(button, read) {
    button.disabled = true;
    try {
        const done = await send("POST", `platform-insights/reconcile/${encodeURIComponent(me)}`, {});
        const made = [...done.created_platforms, ...(done.resumed_platforms ?? [])];
        const failed = done.failures.length ? ` Not made: ${done.failures.map(one => `${one.platform}: ${one.error ?? one.reason}`).join("; ")}.` : "";
        say(`${made.length ? `Monitoring begins for ${made.join(", ")}.` : "Nothing was missing."}${failed}`, failed && "failed");
        await read();
    } catch (error) {
        if (error.detail === undefined) throw error;
        button.disabled = false;
        say(error.message, "failed");
    }
}

/** A JSON object; what is none is refused at its field like by the API. */
function parsed(text) {
    let value = null;
    try { value = JSON.parse(text); } catch { /* refused below */ }
    if (value === null || typeof value !== "object" || Array.isArray(value)) {
        const words = 'Use a JSON object, such as {"refresh_token": "…"}.';
        throw Object.assign(new Error(words), { detail: words, errors: { credentials: [words] } });
    }
    return value;
}
