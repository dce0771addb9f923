// When the clocks of the reader's zone change.
const MINUTE = 60_000, HOUR = 60 * MINUTE;
const behind = at => new Date(at).getTimezoneOffset();

/** Changes after `from` and before `to` (milliseconds): [{at, hours}], `hours` by which clocks go forward (or, below 0, back). */
export function clockChanges(from, to) {
    const found = [];
    for (let at = from; at < to; at += HOUR) {
        const next = Math.min(at + HOUR, to);
        if (behind(at) === behind(next)) continue;
        let [low, high] = [at, next];
        while (high - low > MINUTE) {
            const middle = low + Math.floor((high - low) / 2);
            if (behind(middle) === behind(at)) low = middle;
            else high = middle;
        }
        found.push({ at: Math.floor(high / MINUTE) * MINUTE, hours: (behind(at) - behind(next)) / 60 });
    }
    return found;
}
