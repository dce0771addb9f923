// One pulse a second tells whether anything moved; only then is the rest read again. Hidden pages are silent.
import { ApiError, get } from "./api.js";
import { find } from "./dom.js";
import { local } from "./time.js";

const EVERY = 1000, LONGEST = 30_000;
const ALONE = 5 * 60_000, EVERY_ALONE = 5000;  // a page that nobody has touched for minutes asks less often
const readers = new Set();
let token = null, wait = EVERY, timer = null, stopped = false, lost = false, touched = performance.now();

/** Run `read` now, and again whenever the pulse changes. It may be async; one that throws an ApiError shows it itself. */
export function live(read) {
    readers.add(read);
    return Promise.resolve(read());
}

/** Read everything again without waiting for the pulse: after an action of this page. */
export function refresh() {
    return Promise.allSettled([...readers].map(read => read()));
}

async function beat() {
    timer = null;
    if (stopped || document.hidden) return;
    try {
        const pulse = await get("pulse");
        const moved = lost || (token !== null && token !== pulse.token);
        lost = false;
        token = pulse.token;
        wait = EVERY;
        show("live", `Live, ${local(pulse.last_updated, "clock")}`);
        document.dispatchEvent(new CustomEvent("pulse", { detail: pulse }));
        if (moved) await refresh();
    } catch (error) {
        if (!(error instanceof ApiError)) throw error;
        if (error.status === 401) return;
        lost = true;
        wait = Math.min(LONGEST, error.retryAfter ? error.retryAfter * 1000 : wait * 2);
        show("lost", "No answer, trying again");
    } finally {
        if (!stopped && timer === null) timer = setTimeout(beat, alone() ? Math.max(wait, EVERY_ALONE) : wait);
    }
}

function show(state, text) {
    const shown = find("[data-live]");
    if (!shown) return;
    shown.dataset.state = state;
    if (shown.textContent !== text) shown.textContent = text;
}

const alone = () => performance.now() - touched > ALONE;

function touch() {
    const was = alone();
    touched = performance.now();
    if (!was || timer === null) return;
    clearTimeout(timer);
    beat();
}

for (const name of ["pointermove", "pointerdown", "keydown", "wheel", "focus"]) window.addEventListener(name, touch, { passive: true });
document.addEventListener("visibilitychange", () => {
    if (document.hidden) show("paused", "Paused");
    else if (timer === null) beat();
});
document.addEventListener("signed-out", () => { stopped = true; show("lost", "Signed out"); });
if (find("[data-live]")) beat();
