// How a part looks while it is read, when there is nothing, and when reading failed.
import { h, icon } from "./dom.js";

export function loading(lines = 4) {
    const bars = Array.from({ length: lines }, () => h("span", { class: "skeleton" }));
    return h("div", { class: "card-body grid", role: "status" }, h("span", { class: "visually-hidden" }, "Loading"), bars);
}

/** `action` is an element: a link or a button. */
export function empty(title, text, { action = null, name = "empty" } = {}) {
    return h("div", { class: "state" }, icon(name), h("h3", {}, title), h("p", {}, text), action);
}

export function failed(error, retry) {
    const again = retry && h("button", { class: "button", type: "button", onclick: retry }, "Try again");
    return h("div", { class: "state failed", role: "alert" }, icon("attention"),
        h("h3", {}, "This could not be read"), h("p", {}, error.message), again);
}

/**
 * Read into `element`: skeleton the first time, `build(answer)` afterwards, the error in its place if it fails. Where it is
 * asked again before the answer is there, only the last question counts: no older answer comes over a newer one.
 */
export function reading(element, read, build) {
    let last = 0;
    return async function again() {
        const turn = last += 1;
        const first = !element.hasAttribute("data-read");
        if (first) element.setAttribute("aria-busy", "true");
        try {
            const answer = await read();
            if (turn !== last) return;
            await build(answer);
            element.setAttribute("data-read", "");
        } catch (error) {
            if (turn !== last || error.name === "AbortError") return;
            if (error.detail === undefined) throw error;
            // What was read before stays: old figures with a note are better than none.
            if (first || error.status === 403) {
                element.filledFor = null;
                element.replaceChildren(failed(error, again));
            }
        } finally {
            if (turn === last) element.removeAttribute("aria-busy");
        }
    };
}
