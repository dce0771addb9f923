// What the closed parts of the form say, each in a sentence.
import { findAll } from "../../kit/dom.js";
import { span } from "../../kit/time.js";
import { form } from "./fields.js";

const seconds = text => span(Number(text) * 1000);
const many = (count, one, more = `${one}s`) => (Number(count) === 1 ? `1 ${one}` : `${Number(count).toLocaleString()} ${more}`);

const SENTENCES = {
    answer: v => {
        const wanted = v["payload.expected_status"].trim() ? `${v["payload.expected_status"].trim()} is success` : "200 to 299 is success";
        return v["payload.secret"].trim() && v.target === "http_request" ? `${wanted}; signed with ${v["payload.secret"].trim()}` : wanted;
    },
    names: v => [v.task_type, v.external_key, v.website_url].map(text => text.trim()).filter(Boolean).join(", ") || "None",
    window: v => {
        const at = name => v[`trigger.${name}`].replace("T", " ");
        const parts = [at("starts_at") && `from ${at("starts_at")}`, at("ends_at") && `until ${at("ends_at")}`,
            v.calendar && `not in ${form.elements.calendar.selectedOptions[0]?.textContent}`].filter(Boolean);
        return parts.join(", ") || "Always";
    },
    clock: v => `Missing times ${v["trigger.dst_gap"] === "skip" ? "do not run" : "run right after the gap"}, doubled ones run ${v["trigger.dst_overlap"] === "both" ? "twice" : "once"}`,
    retries: v => {
        const attempts = Number(v["policies.max_attempts"]);
        if (!(attempts > 1)) return "A failed run is not tried again";
        return `Up to ${attempts} attempts, ${seconds(v["policies.retry_delay_seconds"])} apart and then twice as long each, at most ${seconds(v["policies.retry_max_delay_seconds"])}`;
    },
    late: v => {
        const what = { fire_once: "the latest runs", fire_all: `the latest ${v["policies.misfire_max_runs"]} run, ${seconds(v["policies.misfire_pace_seconds"])} apart`, skip: "none runs" };
        return `Of times more than ${seconds(v["policies.misfire_grace_seconds"])} late, ${what[v["policies.misfire"]]}`;
    },
    spread: v => {
        const jitter = Number(v["policies.jitter_seconds"]), most = v["policies.max_concurrency"], priority = Number(v["policies.priority"]);
        return [jitter > 0 ? `Starts up to ${seconds(jitter)} after its time` : "Starts at its time",
            most && `at most ${many(most, "run")} at once`, priority && `priority ${priority}`].filter(Boolean).join(", ");
    },
    rest: v => {
        const after = Number(v["policies.cool_off_after"]);
        return after > 0 ? `${seconds(v["policies.cool_off_seconds"])} after ${many(after, "failure")} in a row` : "Never";
    },
};

export function words(values) {
    for (const place of findAll("[data-words]", form)) {
        const text = SENTENCES[place.dataset.words](values);
        if (place.textContent !== text) place.textContent = text;
    }
}
