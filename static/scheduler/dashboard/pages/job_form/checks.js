// What a field can say by itself while one types, in the server's words and never stricter than the server.
import { form } from "./fields.js";
import { mark } from "./errors.js";
import { kindOf, parsed } from "./values.js";

const count = value => Number(value).toLocaleString("en");

/** The complaint about the field `name` with these values, or "". */
export function complaint(name, values) {
    const field = form.elements[name];
    if (field?.validity?.badInput) return field.type === "number" ? "This is not a number." : "This is not a whole date and time.";
    const text = (values[name] ?? "").trim();
    if ((name === "name" || name === "task_category") && !text) return "This cannot be empty.";
    if (field?.dataset?.longest && text.length > Number(field.dataset.longest)) return `At most ${count(field.dataset.longest)} characters; this has ${count(text.length)}.`;
    if (field?.type === "number" && field.min !== "") return outside(field, text);
    if (name === "payload.url" && text && !/^https?:\/\//i.test(text)) return "The URL must start with http:// or https:// and name a host.";
    if (name === "website_url" && text && !/^https?:\/\/\S*$/i.test(text)) return "An address begins with http:// or https:// and has no spaces.";
    return "";
}

function outside(field, text) {
    if (!text && !field.hasAttribute("aria-required")) return "";
    const value = Number(text);
    const fits = text && Number.isInteger(value) && value >= Number(field.min) && value <= Number(field.max);
    return fits ? "" : `Use a whole number from ${count(field.min)} to ${count(field.max)}${field.hasAttribute("aria-required") ? "" : ", or nothing"}.`;
}

/** What cannot be sent at all, by field: it would arrive as something else than was typed. */
export function unsendable(values) {
    const errors = {};
    const json = (name, object) => {
        const { value, error } = parsed(values[name]);
        if (error) errors[name] = [error];
        else if (object && (typeof value !== "object" || value === null || Array.isArray(value))) errors[name] = ["This has to be an object."];
    };
    const kind = kindOf(values.target);
    if (kind === "task") json("payload", true);
    if (kind === "http_request" && values.body_kind === "json") json("payload.json", false);
    const names = values.headers.map(([name]) => name.trim().toLowerCase()).filter(Boolean);
    if (kind === "http_request" && new Set(names).size < names.length) errors["payload.headers"] = ["A name can be given once."];
    for (const field of form.elements) {
        if (field.validity?.badInput && field.closest("[hidden]") === null) errors[field.name] = [complaint(field.name, values)];
    }
    return errors;
}

/** Look again at one field after its value changed. `leaving`: complain; otherwise only take back what is mended. */
export function look(name, values, { leaving }) {
    const said = complaint(name, values) || (unsendable(values)[name]?.[0] ?? "");
    if (said && !leaving && document.getElementById(`${name}-error`)?.hidden !== false) return;
    if (!said && leaving) return;  // what stands there by now is the server's
    mark(name, said);
}
