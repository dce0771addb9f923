// The form of a channel. A webhook's address and secret are as good as passwords: neither is shown again.
import { send } from "../../kit/api.js";
import { say } from "../../kit/dialogs.js";
import { fillIn, onceKey, showOnce } from "./forms.js";

export const EVENTS = { failure: "failures", recovery: "recoveries", cool_off: "cool-offs" };
const KINDS = [["email", "email"], ["webhook", "signed webhook"]];
const ONLY = ["job_id", "task_type", "user_id"];

export async function createChannel() {
    const once = onceKey();
    const made = await fillIn({
        title: "New channel", action: "Make the channel",
        fields: [
            { name: "name", label: "Name", required: true, maxlength: 100 },
            { name: "kind", label: "By", type: "select", value: "email", options: KINDS },
            { name: "address", label: "Address", required: true, maxlength: 2000, help: "An email address, or the URL that a webhook is posted to." },
            ...told({ events: Object.keys(EVENTS) }),
        ],
        run({ job_id, task_type, user_id, ...body }) {
            const asked = { ...body, ...only({ job_id, task_type, user_id }) };
            return send("POST", "notification-channels", asked, { key: once(asked) });
        },
    });
    if (made?.secret) {
        await showOnce({
            title: `${made.name} is made`, label: "Signing secret", value: made.secret,
            warning: "Its messages are signed with this secret. It is shown once: give it to the receiver now, to check signatures with.",
        });
    } else if (made) say(`${made.name} is made. Test it to see that it arrives.`);
    return made;
}

export async function editChannel(channel) {
    const changed = await fillIn({
        title: `Edit ${channel.name}`, action: "Save",
        fields: [
            { name: "name", label: "Name", value: channel.name, required: true, maxlength: 100 },
            { name: "address", label: "New address", maxlength: 2000, help: "Left empty, the one there is stays." },
            ...told(channel),
        ],
        run({ address, job_id, task_type, user_id, ...body }) {
            return send("PATCH", `notification-channels/${channel.id}`, { ...body, ...(address ? { address } : {}), ...only({ job_id, task_type, user_id }) });
        },
    });
    if (changed) say(`${changed.name} is saved.`);
    return changed;
}

function told(channel) {
    return [
        { name: "events", label: "Tell of", type: "checks", required: true, value: channel.events, options: Object.entries(EVENTS) },
        { name: "job_id", label: "Only of the job (optional)", value: channel.job_id ?? "", inputmode: "numeric", help: "The number in the address of the job's page." },
        { name: "task_type", label: "Only of jobs of the type (optional)", value: channel.task_type ?? "", help: "Such as http_check." },
        { name: "user_id", label: "Only of the user's jobs (optional)", value: channel.user_id ?? "" },
    ];
}

const only = values => Object.fromEntries(ONLY.map(name => [name, values[name] || null]));
