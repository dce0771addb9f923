// Invitations that nobody has taken yet. The link is mailed; a copy of it is shown once.
import { send } from "../../kit/api.js";
import { find, h } from "../../kit/dom.js";
import { empty } from "../../kit/states.js";
import { time } from "../../kit/time.js";
import { fillIn, onceKey, showOnce } from "./forms.js";
import { act, change, settingsList, settled } from "./lists.js";
import { roleOptions } from "./roles.js";

const AREA = "invitations-list";

export function invitations() {
    const list = settingsList({
        area: AREA, path: "invitations", name: "invitations", caption: "Open invitations", parameters: () => ({ status: "open" }),
        nothing: () => empty("No invitation is open", "Whoever is invited gets a link by email, good for seven days."),
        columns: [
            { name: "Email", build: invitation => h("span", { class: "name" }, invitation.email) },
            { name: "Role", build: invitation => invitation.role },
            { name: "Invited by", build: invitation => invitation.invited_by },
            { name: "Ends", build: invitation => time(invitation.expires_at, "ago") },
            { label: "Actions", build: invitation => h("div", { class: "actions" },
                act("Revoke", invitation.email, () => change(list, AREA, {
                    title: `Revoke the invitation of ${invitation.email}`, action: "Revoke", danger: true, text: "Its link is refused from now on.",
                    run: () => send("DELETE", `invitations/${invitation.id}`),
                }, `The invitation of ${invitation.email} is revoked.`), { danger: true })) },
        ],
    });
    find(`#${AREA}-add`).addEventListener("click", () => invite(list));
    return list.read;
}

async function invite(list) {
    const once = onceKey();
    const made = await fillIn({
        title: "Invite by email", action: "Invite",
        text: "The address gets a link, for seven days and for one use. Another invitation to the same address ends the one before.",
        fields: [
            { name: "email", label: "Email", type: "email", required: true },
            { name: "role", label: "Role", type: "select", value: "member", options: roleOptions() },
        ],
        run: body => send("POST", "invitations", body, { key: once(body) }),
    });
    if (!made) return;
    await Promise.all([list.read(), showOnce({
        title: `${made.email} is invited`, label: "Link", value: made.link,
        warning: "The link is on its way by email. This copy is shown once, for when mail fails; it makes a member, but sets no password.",
    })]);
    await settled(list, AREA);
}
