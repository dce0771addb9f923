// Between what a clock on a wall shows and the instant that it means in a zone.
const formats = new Map();

function format(zone) {
    if (!formats.has(zone)) {
        formats.set(zone, new Intl.DateTimeFormat("en-CA", {
            timeZone: zone, hourCycle: "h23", year: "numeric", month: "2-digit", day: "2-digit",
            hour: "2-digit", minute: "2-digit", second: "2-digit" }));
    }
    return formats.get(zone);
}

/** Milliseconds that the wall clock of `zone` is ahead of UTC at `instant` (milliseconds, whole seconds). */
function offset(instant, zone) {
    const part = Object.fromEntries(format(zone).formatToParts(instant).map(({ type, value }) => [type, Number(value)]));
    return Date.UTC(part.year, part.month - 1, part.day, part.hour, part.minute, part.second) - instant;
}

/**
 * The instant of `wall` ("2027-03-28T02:30", as a datetime-local field has it) in `zone`, as ISO 8601 in UTC. A time that
 * comes twice is the first; one that does not exist is as far after the gap as it lies in it. Null for an empty wall; as it
 * stands where the browser does not know the zone, for the server to refuse.
 */
export function instantOf(wall, zone) {
    if (!wall) return null;
    const reading = Date.parse(`${wall}Z`);
    if (Number.isNaN(reading)) return wall;
    try {
        const day = 86_400_000;
        const offsets = [offset(reading - day, zone), offset(reading + day, zone)];
        const exact = offsets.map(ahead => reading - ahead).find(at => at + offset(at, zone) === reading);
        return new Date(exact ?? reading - offsets[0]).toISOString();
    } catch {
        return wall;
    }
}

/** What a datetime-local field shows for `instant` in `zone`; "" for none. Seconds only where there are any. */
export function wallOf(instant, zone) {
    if (!instant) return "";
    const at = Math.floor(Date.parse(instant) / 1000) * 1000;
    try {
        const text = new Date(at + offset(at, zone)).toISOString();
        return text.slice(0, text.slice(17, 19) === "00" ? 16 : 19);
    } catch {
        return new Date(at).toISOString().slice(0, 16);
    }
}
