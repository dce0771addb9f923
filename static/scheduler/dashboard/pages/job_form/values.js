// What the fields hold, by their names, and what the API takes and gives: `values` in, `body` out, and back.
import { instantOf, wallOf } from "./zones.js";

export const METHODS = {
    http_request: ["POST", "GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS"],
    http_check: ["GET", "HEAD"],
};
const TEXTS = ["name", "target", "task_type", "task_category", "timezone"];
const NULLABLE = ["external_key", "website_url", "calendar"];
const UNITS = [86_400, 3_600, 60, 1];

export const kindOf = target => (target in METHODS ? target : "task");
const number = text => (String(text ?? "").trim() === "" ? null : Number(text));
const trimmed = text => (text ?? "").trim();

/** JSON as the person wrote it: {value} or {error}, a sentence. */
export function parsed(text) {
    let unsafe = null;
    try {
        const value = JSON.parse(text, (_, item) => {
            if (typeof item === "number" && Number.isInteger(item) && !Number.isSafeInteger(item)) unsafe = item;
            return item;
        });
        // A browser's numbers end here; sent on, the last digits would be others than were typed.
        return unsafe === null ? { value } : { error: "It has a whole number of more than 15 digits, which a browser cannot keep exactly. Write it as text, in quotes." };
    } catch (error) {
        return { error: `This is not JSON yet: ${error.message}` };
    }
}

/** The body of a request that makes this job. What is no JSON is left out: the form asks `parsed` first. */
export function bodyOf(values) {
    const body = Object.fromEntries(TEXTS.map(name => [name, trimmed(values[name])]));
    for (const name of NULLABLE) body[name] = trimmed(values[name]) || null;
    const policies = Object.entries(values).filter(([name]) => name.startsWith("policies."));
    body.policies = Object.fromEntries(policies.map(([name, value]) => [
        name.slice("policies.".length), /\.(overlap|misfire)$/.test(name) ? value : number(value)]));
    body.trigger = triggerOf(values);
    body.payload = payloadOf(values);
    return body;
}

/** What `jobs/preview` is asked. */
export function previewOf(values) {
    return { trigger: triggerOf(values), timezone: trimmed(values.timezone), calendar: values.calendar || null, count: 10 };
}

function triggerOf(values) {
    const of = name => values[`trigger.${name}`], zone = trimmed(values.timezone);
    const at = name => instantOf(of(name), zone);
    const type = of("type"), window = { starts_at: at("starts_at"), ends_at: at("ends_at") };
    if (type === "cron") return { type, cron_expression: of("cron_expression"), dst_gap: of("dst_gap"), dst_overlap: of("dst_overlap"), ...window };
    if (type === "interval") {
        const count = number(of("interval_seconds"));
        const seconds = count === null ? null : Math.round(count * Number(values.interval_unit) * 1000) / 1000;
        return { type, interval_seconds: seconds, anchor_at: at("anchor_at"), ...window };
    }
    return type === "date" ? { type, run_date: at("run_date"), ...window } : { type };
}

function payloadOf(values) {
    const of = name => values[`payload.${name}`];
    if (kindOf(values.target) === "task") return parsed(values.payload).value;
    const payload = { method: of("method") };
    if (trimmed(of("url"))) payload.url = trimmed(of("url"));
    const statuses = trimmed(of("expected_status")).split(/[\s,]+/).filter(Boolean);
    if (statuses.length) payload.expected_status = statuses.map(text => (/^\d+$/.test(text) ? Number(text) : text));
    if (values.target === "http_check") {
        if (number(of("min_tls_days")) !== null) payload.min_tls_days = number(of("min_tls_days"));
        return payload;
    }
    const headers = values.headers.filter(([name, value]) => name.trim() || value);
    if (headers.length) payload.headers = Object.fromEntries(headers.map(([name, value]) => [name.trim(), value]));
    if (values.body_kind === "json") payload.json = parsed(of("json")).value;
    if (values.body_kind === "text") payload.body = of("body");
    if (trimmed(of("secret"))) payload.secret = trimmed(of("secret"));
    return payload;
}

/** A PATCH that makes `before` into `now`, both bodies; empty where they say the same. */
export function changesOf(before, now) {
    const differing = (was, is) => Object.fromEntries(Object.entries(is).filter(([name, value]) => JSON.stringify(value) !== JSON.stringify(was[name])));
    const changes = differing(before, now);
    // Named apart, so that the microseconds of an anchor that nobody touched stay.
    if (changes.policies) changes.policies = differing(before.policies, now.policies);
    if (changes.trigger?.type === before.trigger.type) changes.trigger = differing(before.trigger, now.trigger);
    if (changes.target && !now.task_type) changes.task_type = "";  // it was the old target's name
    return changes;
}

/** What the fields show for a job of the API; what it leaves out is the form's own default. */
export function valuesOf(job) {
    const { trigger, payload, timezone } = job;
    const values = Object.fromEntries([...TEXTS, ...NULLABLE].map(name => [name, job[name] ?? ""]));
    if (job.task_type === job.target) values.task_type = "";
    for (const [name, value] of Object.entries(job.policies)) values[`policies.${name}`] = String(value ?? "");
    for (const [name, value] of Object.entries(trigger)) values[`trigger.${name}`] = /_(at|date)$/.test(name) ? wallOf(value, timezone) : String(value);
    if (trigger.type === "interval") {
        const unit = UNITS.find(each => trigger.interval_seconds % each === 0);
        Object.assign(values, { "trigger.interval_seconds": String(trigger.interval_seconds / unit), interval_unit: String(unit) });
    }
    return { ...values, ...payloadValues(job.target, payload || {}) };
}

function payloadValues(target, payload) {
    if (kindOf(target) === "task") return { payload: JSON.stringify(payload, null, 2) };
    const { headers = {}, json, body, expected_status: statuses = [], ...plain } = payload;
    const values = { headers: Object.entries(headers), body_kind: json !== undefined ? "json" : body !== undefined ? "text" : "none" };
    if (json !== undefined) values["payload.json"] = JSON.stringify(json, null, 2);
    if (body !== undefined) values["payload.body"] = body;
    values["payload.expected_status"] = statuses.join(", ");
    values["payload.method"] = METHODS[target][0];
    for (const [name, value] of Object.entries(plain)) values[`payload.${name}`] = String(value);
    return values;
}
