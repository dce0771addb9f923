// A pulse tells whether anything moved; only then is the rest read again. Hidden pages are silent, and one that nobody
// has touched for a while asks less often.
import { ApiError, get } from "./api.js";
import { find } from "./dom.js";
import { local } from "./time.js";

const EVERY = 1500, UNTOUCHED = 5000, LONGEST = 30_000;
const ALONE = 3 * 60_000; // without a touch for so long, nobody looks closely
const PACE = 1750; // with EVERY: what ended is shown within two seconds, however much moves
const readers = new Set();
let token = null, wait = EVERY, timer = null, stopped = false, lost = false, touched = performance.now();

/**
 * Run `read` now, and again whenever the pulse changes, but not more often than every so many milliseconds, and never
 * twice at a time. It may be async; one that throws an ApiError shows it itself.
 */
export function live(read, every = PACE) {
    const reader = paced(read, every);
    readers.add(reader);
    return reader.now().catch(told);
}

/** Read everything again without waiting for the pulse: after an action of this page. */
export function refresh() {
    return Promise.allSettled([...readers].map(reader => reader.now()));
}

/** What the API refuses is shown by who asked; what was broken off is asked again by who broke it off. */
function told(error) {
    if (!(error instanceof ApiError) && error.name !== "AbortError") throw error;
}

function paced(read, every) {
    let due = 0, later = null, running = null, following = null;

    /** One that runs may have asked before what the caller did: another follows it. */
    function now() {
        if (running) return following ??= running.catch(() => {}).then(() => { following = null; return now(); });
        clearTimeout(later);
        later = null;
        due = performance.now() + every;
        running = (async () => read())();
        const over = () => { running = null; };
        running.then(over, over);
        return running;
    }

    function again() {
        later = null;
        now().catch(told);
    }

    return { now, soon() { later ??= setTimeout(again, Math.max(0, due - performance.now())); } };
}

async function beat() {
    timer = null;
    if (stopped || document.hidden) return;
    const begun = performance.now();
    try {
        const pulse = await get("pulse");
        const moved = lost || (token !== null && token !== pulse.token);
        lost = false;
        token = pulse.token;
        wait = begun - touched > ALONE ? UNTOUCHED : EVERY;
        show("live", `Live, ${local(pulse.last_updated, "clock")}`);
        document.dispatchEvent(new CustomEvent("pulse", { detail: pulse }));
        if (moved) for (const reader of readers) reader.soon();
    } catch (error) {
        if (!(error instanceof ApiError)) throw error;
        if (error.status === 401) return;
        lost = true;
        wait = Math.min(LONGEST, error.retryAfter ? error.retryAfter * 1000 : wait * 2);
        show("lost", "No answer, trying again");
    } finally {
        if (!stopped && timer === null) timer = setTimeout(beat, Math.max(0, wait - (performance.now() - begun)));
    }
}

function touch() {
    touched = performance.now();
    if (lost || wait !== UNTOUCHED || timer === null) return;
    wait = EVERY;
    clearTimeout(timer);
    beat();
}

function show(state, text) {
    const shown = find("[data-live]");
    if (!shown) return;
    shown.dataset.state = state;
    if (shown.textContent !== text) shown.textContent = text;
}

for (const name of ["pointerdown", "pointermove", "keydown", "wheel", "touchstart"]) addEventListener(name, touch, { passive: true });
document.addEventListener("visibilitychange", () => {
    if (document.hidden) show("paused", "Paused");
    else {
        touched = performance.now();
        if (timer === null) beat();
    }
});
document.addEventListener("signed-out", () => { stopped = true; show("lost", "Signed out"); });
if (find("[data-live]")) beat();
