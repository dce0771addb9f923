// API keys: made, rotated and revoked. A key itself is shown once.
import { get, send } from "../../kit/api.js";
import { find, h } from "../../kit/dom.js";
import { empty } from "../../kit/states.js";
import { time } from "../../kit/time.js";
import { fillIn, onceKey, showOnce } from "./forms.js";
import { act, change, settingsList, settled } from "./lists.js";
import { me, rank, reaches, roleOptions } from "./roles.js";

const AREA = "keys-list", DAY = 86_400_000, ONCE = "This key is shown once. Keep it now, where secrets are kept: nobody can show it to you again.";
const LIVES = [["7", "7 days"], ["30", "30 days"], ["90", "90 days"], ["365", "1 year"]];
const OVERLAPS = [["0", "No longer: it ends now"], ["1", "1 hour"], ["24", "24 hours"], ["168", "7 days"]];
const BADGES = { active: "active", expired: "skipped", revoked: "failed" };
const status = find("#keys-status");

export function keys() {
    const list = settingsList({
        area: AREA, path: "api-keys", name: "api_keys", caption: "API keys", columns: columns(key => buttons(key)),
        parameters: () => ({ status: status.value }),
        nothing: () => status.value === "active"
            ? empty("No key is active", "A program asks the API with a key: make one, and give it to the program as a secret.")
            : empty("No such key", "No key of yours has this status."),
    });
    status.addEventListener("change", list.first);
    find(`#${AREA}-add`).addEventListener("click", () => create(list));

    function buttons(key) {
        if (key.status !== "active" || !reaches(key.role)) return null;
        return h("div", { class: "actions" },
            !key.replaced_by && act("Rotate", key.name, () => rotate(list, key)),
            act("Revoke", key.name, () => change(list, AREA, {
                title: `Revoke ${key.name}`, action: "Revoke", danger: true,
                text: `Whatever uses ${key.prefix}… is refused from this moment on. This cannot be taken back.`,
                run: () => send("DELETE", `api-keys/${key.id}`),
            }, `${key.name} is revoked.`), { danger: true }));
    }
    return list.read;
}

const columns = buttons => [
    { name: "Name", build: key => h("div", {}, h("span", { class: "name" }, key.name), h("p", { class: "small soft mono" }, `${key.prefix}…`)) },
    { name: "Of", build: key => key.user_id },
    { name: "Role", build: key => key.role },
    { name: "May", build: key => key.scopes.join(", ") },
    { name: "Made", build: key => time(key.created_at, "ago") },
    { name: "Ends", build: key => key.expires_at ? time(key.expires_at, "long") : "never" },
    { name: "Status", build: key => h("span", {}, h("span", { class: `badge ${BADGES[key.status]}` }, key.status), key.replaced_by && h("p", { class: "small soft" }, "replaced")) },
    { label: "Actions", build: buttons },
];

async function create(list) {
    const { members } = await get("members", { limit: 500 }).catch(() => ({ members: [] }));
    const roles = Object.fromEntries(members.filter(member => reaches(member.role)).map(member => [member.user_id, member.role]));
    const once = onceKey();
    const made = await fillIn({
        title: "New API key", action: "Make the key", text: "It may do what its role and its scopes allow, in the name of the member.",
        fields: [
            { name: "name", label: "Name", required: true, maxlength: 100, help: "What uses it, such as the nightly build." },
            { name: "user_id", label: "Member", type: "select", value: me, options: Object.keys(roles).length ? Object.keys(roles).map(id => [id, id === me ? `${id} (you)` : id]) : [[me, `${me} (you)`]] },
            { name: "role", label: "Role", type: "select", value: "member", options: roleOptions() },
            { name: "scopes", label: "It may", type: "checks", required: true, value: ["read"], options: [["read", "read"], ["write", "write: make, change, run"]] },
            { name: "days", label: "It ends in", type: "select", value: "90", options: LIVES },
        ],
        // A key has no higher role than its member.
        arrange(values, fields) {
            const highest = roles[values.user_id], now = fields.role.field.options.length - 1;
            if (highest && now !== Math.min(rank(highest), roleOptions().length - 1)) fields.role.options(roleOptions(highest));
        },
        run({ days, ...body }) {
            const key = once({ days, ...body });
            return send("POST", "api-keys", { ...body, expires_at: endsIn(key, days) }, { key });
        },
    });
    if (made) await shown(list, made, "The new key");
}

async function rotate(list, old) {
    const once = onceKey();
    const made = await fillIn({
        title: `Rotate ${old.name}`, action: "Rotate",
        text: "You get a new key like this one, valid for as long as this one was made for.",
        fields: [{ name: "overlap_hours", label: "The old key still works for", type: "select", value: "24", options: OVERLAPS }],
        run({ overlap_hours }) {
            const body = { overlap_hours: Number(overlap_hours) };
            return send("POST", `api-keys/${old.id}/rotate`, body, { key: once(body) });
        },
    });
    if (made) await shown(list, made, `The new key of ${old.name}`);
}

async function shown(list, made, title) {
    await Promise.all([showOnce({ title, warning: ONCE, label: "API key", value: made.key }), list.read()]);
    await settled(list, AREA);
}

/** The same moment for the same request, or a repetition would be another one. */
const moments = new Map();
function endsIn(key, days) {
    if (!moments.has(key)) moments.set(key, new Date(Date.now() + Number(days) * DAY).toISOString());
    return moments.get(key);
}
