// Calendars: days and times at which the jobs that name them do not run.
import { send } from "../../kit/api.js";
import { find, h } from "../../kit/dom.js";
import { empty } from "../../kit/states.js";
import { number } from "../../kit/time.js";
import { calendarForm } from "./calendar_form.js";
import { act, change, settingsList, settled } from "./lists.js";
import { seesTenant } from "../../kit/viewer.js";

const AREA = "calendars-list", SHOWN = 3;

export function calendars() {
    const list = settingsList({
        area: AREA, path: "calendars", name: "calendars", caption: "Calendars",
        nothing: () => empty("There is no calendar", "A calendar has the days on which jobs that name it do not run, such as holidays."),
        columns: [
            { name: "Calendar", build: calendar => h("div", {}, h("span", { class: "name" }, calendar.name), h("p", { class: "small soft" }, calendar.timezone)) },
            { name: "Jobs do not run", build: entries },
            { name: "Jobs that use it", number: true, build: calendar => number(calendar.jobs) },
            seesTenant && { label: "Actions", build: buttons },
        ].filter(Boolean),
    });
    const edit = async calendar => { if (await calendarForm(calendar)) await settled(list, AREA); };
    find(`#${AREA}-add`)?.addEventListener("click", () => edit(null));

    function buttons(calendar) {
        return h("div", { class: "actions" },
            act("Edit", calendar.name, () => edit(calendar)),
            act("Delete", calendar.name, () => change(list, AREA, {
                title: `Delete ${calendar.name}`, action: "Delete", danger: true,
                text: calendar.jobs ? "Jobs use it: take it out of them first." : "No job uses it.",
                run: () => send("DELETE", `calendars/${calendar.id}`, null, { version: calendar.version }),
            }, `${calendar.name} is deleted.`), { danger: true }));
    }
    return list.read;
}

function entries({ blackouts }) {
    if (!blackouts.length) return h("span", { class: "soft" }, "no entry");
    const more = blackouts.length - SHOWN;
    return h("div", {}, blackouts.slice(0, SHOWN).map(one => h("p", {}, span(one), one.reason && h("span", { class: "soft" }, ` ${one.reason}`))),
        more > 0 && h("p", { class: "small soft" }, `and ${number(more)} more`));
}

/** Local to the calendar's zone, so as it stands. */
const span = ({ from, to }) => `${from.replace("T", " ")} to ${to.replace("T", " ")}`;
