// Members: who they are, and what role they have. A change holds at once, for their sessions and keys alike.
import { send } from "../../kit/api.js";
import { say } from "../../kit/dialogs.js";
import { h } from "../../kit/dom.js";
import { empty } from "../../kit/states.js";
import { time } from "../../kit/time.js";
import { fillIn } from "./forms.js";
import { act, change, settingsList, settled } from "./lists.js";
import { me, reaches, roleOptions } from "./roles.js";

const AREA = "members-list";

export function members() {
    const list = settingsList({
        area: AREA, path: "members", name: "members", caption: "Members", order: ["Before", "Next"],
        nothing: () => empty("Nobody is a member", "Invite somebody by email."),
        columns: [
            { name: "Member", build: member => h("div", {}, h("span", { class: "name" }, member.user_id), member.user_id === me && " (you)",
                member.username !== member.user_id && h("p", { class: "small soft" }, member.username)) },
            { name: "Role", build: member => member.role },
            { name: "Since", build: member => time(member.created_at, "short") },
            { label: "Actions", build: buttons },
        ],
    });

    function buttons(member) {
        if (!reaches(member.role)) return null;
        return h("div", { class: "actions" },
            act("Change role", member.user_id, () => changeRole(list, member)),
            member.user_id !== me && act("Remove", member.user_id, () => change(list, AREA, {
                title: `Remove ${member.user_id}`, action: "Remove", danger: true,
                text: "They lose access at once, and all their keys are deleted. Their jobs go on, and the history stays, under their user id.",
                run: () => send("DELETE", `members/${member.id}`),
            }, `${member.user_id} is no member any more.`), { danger: true }));
    }
    return list.read;
}

async function changeRole(list, member) {
    const changed = await fillIn({
        title: `Role of ${member.user_id}`, action: "Change it",
        text: member.user_id === me ? "This is you: with a lower role you may not be able to take it back." : "It holds at once, for sessions and keys alike.",
        fields: [{ name: "role", label: "Role", type: "select", value: member.role, options: roleOptions() }],
        run: body => send("PATCH", `members/${member.id}`, body),
    });
    if (!changed) return;
    if (member.user_id === me && changed.role !== member.role) return location.reload();
    say(`${member.user_id} is ${changed.role} now.`);
    await settled(list, AREA);
}
