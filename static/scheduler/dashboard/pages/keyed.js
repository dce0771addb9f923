// A list whose entries stay the same elements while what they show changes: focus and scrolling are kept.
import { find, h, renew } from "../kit/dom.js";

/** After a dialog: the entry that it was about may have been built anew meanwhile, and then nothing has the focus. */
export function focusBack(list, key) {
    if (document.activeElement && document.activeElement !== document.body) return;
    const entry = [...list.children].find(child => child.dataset.key === String(key));
    (find("button", entry ?? h("i")) ?? (list.isConnected ? list : find("#main"))).focus({ preventScroll: true });
}

/** Fill `list` with an `<li>` per row, known by `key(row)`; `build(row)` runs again only for a row that has changed. */
export function keyed(list, rows, key, build, properties = {}) {
    const held = new Map([...list.children].map(child => [child.dataset.key, child]));
    const children = rows.map(row => {
        const child = held.get(String(key(row))) ?? h("li", { ...properties, "data-key": key(row) });
        renew(child, row, () => build(row));
        return child;
    });
    if (children.length === list.children.length && children.every((child, n) => list.children[n] === child)) return;
    const focused = document.activeElement;
    const inside = list.contains(focused);
    list.replaceChildren(...children);
    if (!inside) return;
    // What had the focus may be gone with its entry; the list then has it, for the next Tab to go on from there.
    if (list.contains(focused)) focused.focus({ preventScroll: true });
    else list.focus({ preventScroll: true });
}
