// Notification channels: who is told of what, how the last message fared, and a test.
import { get, send } from "../../kit/api.js";
import { say } from "../../kit/dialogs.js";
import { fill, find, h } from "../../kit/dom.js";
import { empty } from "../../kit/states.js";
import { time } from "../../kit/time.js";
import { createChannel, EVENTS, editChannel } from "./channel_form.js";
import { act, change, settingsList, settled } from "./lists.js";

const AREA = "channels-list", TRIES = 20, EVERY = 1000;

export function channels() {
    const list = settingsList({
        area: AREA, path: "notification-channels", name: "notification_channels", caption: "Notification channels",
        nothing: () => empty("Nobody is told", "Make a channel, by email or by a signed webhook, and hear of failures before your customers do."),
        columns: [
            { name: "Channel", build: channel => h("div", {}, h("span", { class: "name" }, channel.name),
                h("p", { class: "small soft" }, `${channel.kind}: ${channel.address ?? "its address cannot be opened any more"}`)) },
            { name: "Told of", build: told },
            { name: "Status", build: channel => h("span", { class: `badge ${channel.enabled ? "active" : "paused"}` }, channel.enabled ? "on" : "off") },
            { name: "Last message", build: last },
            { label: "Actions", build: buttons },
        ],
    });
    find(`#${AREA}-add`).addEventListener("click", async () => { if (await createChannel()) await settled(list, AREA); });

    function buttons(channel) {
        return h("div", { class: "actions" },
            act("Test", channel.name, event => test(list, channel, event.currentTarget)),
            act(channel.enabled ? "Switch off" : "Switch on", channel.name, event => toggle(list, channel, event.currentTarget)),
            act("Edit", channel.name, async () => { if (await editChannel(channel)) await settled(list, AREA); }),
            act("Delete", channel.name, () => change(list, AREA, {
                title: `Delete ${channel.name}`, action: "Delete", danger: true, text: "Nothing is sent to it any more, not even what still waits.",
                run: () => send("DELETE", `notification-channels/${channel.id}`),
            }, `${channel.name} is deleted.`), { danger: true }));
    }
    return list.read;
}

function told(channel) {
    const only = [channel.job_id && `job ${channel.job_id}`, channel.task_type, channel.user_id && `jobs of ${channel.user_id}`].filter(Boolean);
    return h("div", {}, channel.events.map(event => EVENTS[event] ?? event).join(", "),
        h("p", { class: "small soft" }, only.length ? `only ${only.join(", ")}` : "all jobs"));
}

function last({ last_sent_at, last_error, last_error_at }) {
    if (last_error) return h("div", {}, h("p", { class: "wrong" }, last_error), h("p", { class: "small soft" }, time(last_error_at, "ago")));
    return last_sent_at ? h("span", {}, "arrived ", time(last_sent_at, "ago")) : h("span", { class: "soft" }, "none yet");
}

async function toggle(list, channel, button) {
    button.disabled = true;
    try {
        const { enabled } = await send("PATCH", `notification-channels/${channel.id}`, { enabled: !channel.enabled });
        say(`${channel.name} is ${enabled ? "on" : "off"}.`);
        await settled(list, AREA);
    } catch (error) {
        refused(error, button);
    }
}

/** A worker sends it, so the answer is awaited: the channel says how it went. */
async function test(list, channel, button) {
    const words = button.textContent;
    button.disabled = true;
    fill(button, "Testing");
    const before = JSON.stringify([channel.last_sent_at, channel.last_error_at]);
    try {
        await send("POST", `notification-channels/${channel.id}/test`);
        say("A worker sends the test now.");
        for (let tried = 0; tried < TRIES; tried += 1) {
            await new Promise(resolve => setTimeout(resolve, EVERY));
            const now = await get(`notification-channels/${channel.id}`);
            if (JSON.stringify([now.last_sent_at, now.last_error_at]) === before) continue;
            say(now.last_error ? `The test of ${channel.name} failed: ${now.last_error}` : `The test of ${channel.name} has arrived.`, now.last_error ? "failed" : "");
            return await settled(list, AREA);
        }
        say(`Nothing is known of the test yet. If no worker runs, nothing is sent.`, "failed");
    } catch (error) {
        refused(error, button);
    } finally {
        button.disabled = false;
        fill(button, words);
    }
}

function refused(error, button) {
    if (error.detail === undefined) throw error;
    button.disabled = false;
    say(error.message, "failed");
}
