// What the plan allows, and what is used of it, as meters with their numbers.
import { get } from "../../kit/api.js";
import { fill, find, h } from "../../kit/dom.js";
import { reading } from "../../kit/states.js";
import { number, time } from "../../kit/time.js";

const EVERY = 10_000, HIGH = 0.8;
const place = find("#usage-list");

export function usage() {
    const read = reading(place, () => get("usage"), plan => {
        fill(place, h("div", { class: "card-body grid" },
            h("p", {}, "Your plan is ", h("strong", {}, plan.plan), ". A limit is raised by whoever runs this service."),
            h("div", { class: "meters" },
                meter("Jobs", plan.jobs, "Deleted jobs are not counted."),
                meter("Executions at once", plan.concurrency, "What is beyond waits."),
                meter("Executions a minute", plan.executions_per_minute, again(plan.executions_per_minute)),
                meter("Executions a day (UTC)", plan.executions_per_day, again(plan.executions_per_day)))));
    });
    setInterval(() => { if (!document.hidden && place.offsetParent && place.hasAttribute("data-read")) read(); }, EVERY);
    return read;
}

function meter(name, { limit, used }, note) {
    const share = limit && used !== null ? Math.min(1, used / limit) : 0;
    const words = limit ? `${number(used)} of ${number(limit)}` : used === null ? "No limit" : `${number(used)}, no limit`;
    const bar = h("i");
    bar.style.width = `${share * 100}%`;
    return h("div", {},
        h("div", { class: "meter-head" }, h("h3", {}, name), h("strong", {}, words)),
        limit && used !== null && h("div", {
            class: `meter ${share >= 1 ? "full" : share >= HIGH ? "high" : ""}`, role: "meter", "aria-label": name,
            "aria-valuemin": "0", "aria-valuemax": limit, "aria-valuenow": Math.min(used, limit), "aria-valuetext": words,
        }, bar),
        h("p", { class: "small soft" }, note));
}

function again({ limit, used, resets_at }) {
    if (used === null) return "They are counted while the plan limits them.";
    return limit ? h("span", {}, "Beyond that, times are skipped. It begins anew ", time(resets_at, "next"), ".") : h("span", {}, "It begins anew ", time(resets_at, "next"), ".");
}
