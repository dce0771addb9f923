// Times in the zone of the person who looks, with UTC on hover; spans in words.
import { findAll, h } from "./dom.js";

export const ZONE = Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC";
const LONG = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });
const SHORT = new Intl.DateTimeFormat(undefined, { month: "short", day: "numeric", hour: "2-digit", minute: "2-digit" });
const CLOCK = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const HOUR = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
const STYLES = { long: LONG, short: SHORT, clock: CLOCK, hour: HOUR };

export const utc = value => `${new Date(value).toISOString().slice(0, 19).replace("T", " ")} UTC`;
export const local = (value, style = "long") => STYLES[style].format(new Date(value));

/** `<time>` in the reader's zone; style long | short | clock | hour | ago ("4 min ago", kept current) | next (the same, "now" once it is past). */
export function time(value, style = "long") {
    if (!value) return h("span", { class: "soft" }, "—");
    const moves = style === "ago" || style === "next";
    const title = moves ? `${local(value)} (${ZONE}), ${utc(value)}` : utc(value);
    return h("time", { datetime: value, title, "data-ago": moves && style }, moves ? MOVING[style](value) : local(value, style));
}

/** "in 5 min", "4 h ago", from now or from `now` (milliseconds). */
export function ago(value, now = Date.now()) {
    const seconds = (new Date(value).getTime() - now) / 1000;
    if (Math.abs(seconds) < 1) return "now";
    return seconds > 0 ? `in ${span(seconds * 1000)}` : `${span(-seconds * 1000)} ago`;
}

const MOVING = { ago, next: value => (new Date(value) < Date.now() ? "now" : ago(value)) };

/** Milliseconds in words: "340 ms", "2.5 s", "12 min", "3 h 20 min", "4 d 2 h". */
export function span(milliseconds) {
    if (milliseconds === null || milliseconds === undefined) return "—";
    if (milliseconds < 1000) return `${Math.round(milliseconds)} ms`;
    const seconds = milliseconds / 1000;
    if (seconds < 60) return `${seconds < 10 ? Math.round(seconds * 10) / 10 : Math.floor(seconds)} s`;
    const [minutes, hours, days] = [Math.floor(seconds / 60), Math.floor(seconds / 3600), Math.floor(seconds / 86400)];
    if (minutes < 60) return `${minutes} min`;
    if (hours < 24) return minutes % 60 ? `${hours} h ${minutes % 60} min` : `${hours} h`;
    return hours % 24 ? `${days} d ${hours % 24} h` : `${days} d`;
}

export const number = value => (value === null || value === undefined ? "—" : Number(value).toLocaleString());

setInterval(() => {
    if (!document.hidden) for (const element of findAll("time[data-ago]")) element.textContent = MOVING[element.dataset.ago](element.dateTime);
}, 1000);
