// Errors at their fields, by the names of the API; what no field shown is of goes above the form.
import { fill, find, findAll, h } from "../../kit/dom.js";
import { form } from "./fields.js";

const notice = find("#form-notice");

/** Show what the API refused, `{path: [sentence, …]}`, and go to the first field of it. */
export function refuse(errors) {
    const others = [];
    for (const [path, sentences] of Object.entries(errors)) {
        const text = sentencesOf(sentences);
        const [name, rest] = slotOf(path);
        if (name) mark(name, rest ? `${rest}: ${text}` : text);
        else others.push(path === "non_field_errors" ? text : `${path}: ${text}`);
    }
    const bad = findAll('[aria-invalid="true"]', form).filter(field => field.closest("[hidden]") === null);
    const count = Object.keys(errors).length - others.length;
    tell(...others, count ? `${count === 1 ? "One field needs" : `${count} fields need`} another look.` : null);
    focus(bad[0] ?? notice);
}

/** Sentences above the form; an element is shown as it is. None: nothing. */
export function tell(...sentences) {
    const said = sentences.filter(Boolean);
    fill(notice, said.map(one => h("p", {}, one)));
    notice.className = "form-notice notice failed";
    notice.hidden = said.length === 0;
}

export function note(...content) {
    fill(notice, h("p", {}, content));
    notice.className = "form-notice notice success";
    notice.hidden = false;
}

export function focusNotice() {
    focus(notice);
}

/** `text` at the field `name`, or nothing any more. */
export function mark(name, text = "") {
    const slot = document.getElementById(`${name}-error`);
    if (!slot) return;
    if (slot.textContent !== text) slot.textContent = text;
    slot.hidden = !text;
    for (const field of fieldsOf(name)) {
        if (text) field.setAttribute("aria-invalid", "true");
        else field.removeAttribute("aria-invalid");
    }
}

export function clear() {
    for (const slot of findAll(".error", form)) mark(slot.id.slice(0, -"-error".length));
    tell();
}

/** The name of the field that shows errors of `path`, and what of the path that does not say. */
function slotOf(path) {
    const parts = path.split(".");
    for (let length = parts.length; length > 0; length -= 1) {
        const name = parts.slice(0, length).join(".");
        const slot = document.getElementById(`${name}-error`);
        if (slot && slot.parentElement.closest("[hidden]") === null) return [name, parts.slice(length).join(".")];
    }
    return [null, ""];
}

function fieldsOf(name) {
    if (name === "payload.headers") {
        const inputs = findAll("#headers input", form);
        return inputs.length ? inputs : [find("#add-header")];
    }
    const named = form.elements[name];
    return named instanceof RadioNodeList ? [...named].slice(0, 1) : [named].filter(Boolean);
}

function focus(element) {
    for (let part = element.closest("details"); part; part = part.parentElement.closest("details")) part.open = true;
    element.focus();
    element.scrollIntoView({ block: "center" });
}

function sentencesOf(value) {
    if (Array.isArray(value)) return value.map(sentencesOf).join(" ");
    return typeof value === "object" && value !== null ? Object.values(value).map(sentencesOf).join(" ") : String(value);
}
