// Somebody else changed the job while it was open here: what, and whose words shall stand.
import { drawer } from "../../kit/dialogs.js";
import { h } from "../../kit/dom.js";
import { time } from "../../kit/time.js";
import { labelOf, worded } from "./fields.js";

const same = (one, other) => JSON.stringify(one) === JSON.stringify(other);

/** Names of the values that differ. */
export const differing = (before, now) => Object.keys(now).filter(name => !same(before[name], now[name]));

/** Resolves to "mine", "theirs" or null for going on with the form. */
export function whose({ base, mine, theirs, job }) {
    return new Promise(resolve => {
        let chosen = null;
        const changed = differing(base, theirs), ours = new Set(differing(base, mine));
        const choose = what => () => { chosen = what; dialog.close(); };
        const dialog = drawer("This job was changed meanwhile", { onclose: () => resolve(chosen) });
        const both = changed.filter(name => ours.has(name) && !same(mine[name], theirs[name]));
        dialog.body.append(
            h("p", {}, changed.length ? `Changed meanwhile: ${changed.map(inSentence).join(", ")}.` : "Changed meanwhile: nothing that this form shows; it may have been paused or resumed.",
                " Last changed ", time(job.updated_at), "."),
            h("p", { class: "soft small" }, both.length ? "Keep yours, and what you typed replaces theirs; what you did not touch stays as they made it." : "Keep yours, and both changes count: you changed other fields than they did."),
            h("div", { class: "actions" },
                h("button", { class: "button primary", type: "button", onclick: choose("mine") }, "Keep mine and save"),
                h("button", { class: "button", type: "button", onclick: choose("theirs") }, "Take theirs"),
                h("button", { class: "button quiet", type: "button", onclick: () => dialog.close() }, "Go on editing")),
            ...changed.map(name => h("section", { class: "changed" }, h("h3", {}, labelOf(name)), h("dl", { class: "facts" },
                pair("When you opened it", name, base), pair("Now", name, theirs), ours.has(name) && pair("Yours", name, mine)))));
    });
}

/** "URL" stays as it is, "Name" becomes "name". */
const inSentence = name => labelOf(name).replace(/^[A-Z](?=[a-z])/, letter => letter.toLowerCase());

function pair(term, name, values) {
    return [h("dt", {}, term), h("dd", {}, h("pre", {}, worded(name, values[name]) || "nothing"))];
}
