// The fields of the form: read and show all of them at once, and show only those that the choices ask for.
import { fill, find, findAll, h, icon } from "../../kit/dom.js";
import { METHODS, kindOf } from "./values.js";

export const form = find("#job-form");
const rows = find("#headers");

/** All values by name; radios as the one that is chosen, headers as pairs. Hidden fields keep what was typed. */
export function read() {
    const values = {};
    for (const field of findAll("[name]", form)) {
        if (field.type !== "radio" || field.checked) values[field.name] = field.value;
    }
    values.headers = [...rows.children].map(row => findAll("input", row).map(input => input.value));
    return values;
}

export function show(values) {
    if (values.target) addOption(form.elements.target, values.target);
    if (values.calendar) addOption(form.elements.calendar, values.calendar);
    // First what decides which options others have.
    form.elements.target.value = values.target;
    arrange();
    for (const field of findAll("[name]", form)) {
        if (!(field.name in values)) continue;
        if (field.type === "radio") field.checked = field.value === values[field.name];
        else field.value = values[field.name];
    }
    fill(rows, values.headers.map(pair => headerRow(...pair)));
    arrange();
}

/** Hide what the target, the trigger and the body do not use. */
export function arrange() {
    const target = form.elements.target.value, trigger = form.elements["trigger.type"].value;
    const method = form.elements["payload.method"], methods = METHODS[target];
    if (methods && methods.join() !== [...method.options].map(option => option.value).join()) {
        const before = method.value;
        fill(method, methods.map(name => h("option", { value: name }, name)));
        method.value = methods.includes(before) && before !== METHODS.http_request[0] ? before : methods[0];
    }
    for (const part of findAll("[data-of], [data-when]", form)) {
        const { of, when, body } = part.dataset;
        part.hidden = (of && !of.split(" ").includes(kindOf(target))) || (when && !when.split(" ").includes(trigger))
            || (body && body !== form.elements.body_kind.value) || false;
    }
    form.elements["payload.url"].toggleAttribute("aria-required", target === "http_check");
    for (const button of findAll("[data-preset]", form)) {
        button.setAttribute("aria-pressed", String(button.dataset.preset === form.elements["trigger.cron_expression"].value.trim()));
    }
}

/** A choice that the page does not know otherwise: a task that is not registered any more, a calendar of a job. */
export function addOption(select, value, text = value) {
    const known = [...select.options].find(option => option.value === value);
    if (known) known.textContent = text === value ? known.textContent : text;
    else select.append(h("option", { value }, text));
}

/** What a field is called, for sentences about it. */
export function labelOf(name) {
    if (name === "headers") return "Headers";
    const named = form.elements[name];
    const field = named instanceof RadioNodeList ? named[0].closest("fieldset") : named;
    const label = field?.matches("fieldset") ? find("legend", field) : field?.labels?.[0] ?? find("label", field?.closest(".field"));
    return label?.textContent.trim() || name;
}

/** A value as the form shows it: choices by their words, headers a line each. */
export function worded(name, value) {
    if (Array.isArray(value)) return value.map(([key, content]) => `${key}: ${content}`).join("\n");
    const named = form.elements[name];
    if (named instanceof RadioNodeList) return [...named].find(radio => radio.value === value)?.parentElement.textContent.trim() ?? value;
    return [...(named?.options ?? [])].find(option => option.value === value)?.textContent ?? value;
}

function headerRow(name = "", value = "") {
    const label = part => `${part} of header ${rows.children.length + 1}`;
    const row = h("div", { class: "header-row", role: "group" },
        h("input", { class: "input mono", "aria-label": label("Name"), placeholder: "Name", value: name, autocomplete: "off", autocapitalize: "none", spellcheck: "false", "aria-describedby": "payload.headers-error" }),
        h("input", { class: "input mono", "aria-label": label("Value"), placeholder: "Value", value, autocomplete: "off", spellcheck: "false", "aria-describedby": "payload.headers-error" }),
        h("button", { class: "button quiet icon-only", type: "button", "aria-label": "Remove this header", onclick: () => remove(row) }, icon("trash")));
    return row;
}

function remove(row) {
    const next = row.nextElementSibling || row.previousElementSibling;
    row.remove();
    (next ? find("input", next) : find("#add-header")).focus();
    form.dispatchEvent(new Event("input", { bubbles: true }));
}

find("#add-header")?.addEventListener("click", () => {
    rows.append(headerRow());
    find("input", rows.lastElementChild).focus();
});
