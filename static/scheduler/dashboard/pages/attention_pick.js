// What is ticked of a list, and the buttons that work on it.
import { find, findAll } from "../kit/dom.js";
import { number } from "../kit/time.js";

/**
 * `all` is the box for everything on the page, `button` what works on the selection: its words get the number, and it
 * is off while nothing is ticked. `has`, `set` are for the rows, `shown(ids)` says what the page has now.
 */
export function picking(all, button, list) {
    const picked = new Set();
    const words = button && find("span", button);
    const label = words?.textContent;
    let known = [];
    function say() {
        if (!button) return;
        const ticked = picked.size;
        button.disabled = !ticked;
        words.textContent = ticked ? `${label} (${number(ticked)})` : label;
        all.checked = ticked > 0 && ticked === known.length;
        all.indeterminate = ticked > 0 && ticked < known.length;
        all.disabled = !known.length;
        all.closest(".actions").classList.toggle("idle", !known.length);
    }
    all?.addEventListener("change", () => {
        for (const id of known) all.checked ? picked.add(id) : picked.delete(id);
        for (const box of findAll("input[type=checkbox]", list)) box.checked = all.checked;
        say();
    });
    return {
        has: id => picked.has(id),
        set(id, on) { on ? picked.add(id) : picked.delete(id); say(); },
        shown(ids) {
            known = ids;
            for (const id of picked) if (!ids.includes(id)) picked.delete(id);
            say();
        },
        chosen: () => [...picked],
        clear() {
            picked.clear();
            for (const box of findAll("input[type=checkbox]", list)) box.checked = false;
            say();
        },
    };
}
