// The form of a calendar: its name, its zone, and a row for each entry.
import { send } from "../../kit/api.js";
import { say } from "../../kit/dialogs.js";
import { find, findAll, h, icon } from "../../kit/dom.js";
import { ZONE } from "../../kit/time.js";
import { fillIn, onceKey } from "./forms.js";

/** Null: a new one. An edit is refused if somebody else has changed it meanwhile. */
export async function calendarForm(calendar) {
    const rows = h("div", { class: "entries" }, (calendar?.blackouts ?? []).map(entryRow));
    const add = h("button", { class: "button small", type: "button", onclick: () => { rows.append(entryRow({})); find("input", rows.lastElementChild).focus(); } }, icon("plus"), "Add an entry");
    const once = onceKey();
    const saved = await fillIn({
        title: calendar ? `Edit ${calendar.name}` : "New calendar", action: calendar ? "Save" : "Make the calendar",
        fields: [
            { name: "name", label: "Name", value: calendar?.name ?? "", required: true, maxlength: 200 },
            { name: "timezone", label: "Time zone", value: calendar?.timezone ?? ZONE, required: true, help: "Its days and times are of this zone." },
            { name: "blackouts", label: "Jobs do not run", help: "Dates or times such as 2026-12-24 or 2026-12-24T18:00. The end is not part of it.",
                element: h("div", { class: "entries" }, rows, h("div", {}, add)), read: () => findAll(".entry", rows).map(entryOf) },
        ],
        run: body => calendar
            ? send("PATCH", `calendars/${calendar.id}`, body, { version: calendar.version })
            : send("POST", "calendars", body, { key: once(body) }),
    });
    if (saved) say(`${saved.name} is saved.`);
    return saved;
}

function entryRow({ from = "", to = "", reason = "" }) {
    const field = (name, label, value, more = {}) => h("label", { class: `small ${name}` }, label, h("input", { class: "input", "data-part": name, value, autocomplete: "off", spellcheck: "false", ...more }));
    const row = h("div", { class: "entry", role: "group", "aria-label": "Entry" },
        field("from", "From", from, { placeholder: "2026-12-24" }), field("to", "To", to, { placeholder: "2026-12-27" }),
        h("button", { class: "button quiet icon-only", type: "button", "aria-label": "Remove this entry", onclick: () => remove(row) }, icon("trash")),
        field("reason", "Reason (optional)", reason, { maxlength: 200 }));
    return row;
}

function remove(row) {
    const next = row.nextElementSibling ?? row.previousElementSibling, all = row.parentElement;
    row.remove();
    (next ? find("input", next) : find("button", all.nextElementSibling)).focus();
}

function entryOf(row) {
    const [from, to, reason] = ["from", "to", "reason"].map(part => find(`[data-part="${part}"]`, row).value.trim());
    return reason ? { from, to, reason } : { from, to };
}
