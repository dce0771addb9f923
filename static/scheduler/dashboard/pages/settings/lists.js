// A list of the settings: read when its tab is opened, paged, and read again after each change.
import { get } from "../../kit/api.js";
import { ask, say } from "../../kit/dialogs.js";
import { fill, find, h } from "../../kit/dom.js";
import { pager, table } from "../../kit/lists.js";
import { reading } from "../../kit/states.js";

const LIMIT = 20;

/**
 * `area`: its element's id; `path` and `name` of the envelope; `columns(row)`; `nothing(total)`: the element where it is empty.
 * Returns `read()`.
 */
export function settingsList({ area, path, name, caption, columns, nothing, parameters = () => ({}), order = ["Newer", "Older"] }) {
    const place = find(`#${area}`);
    let offset = 0;
    const read = reading(place, () => get(path, { limit: LIMIT, offset, ...parameters() }), page => {
        if (!page[name].length && page.total_count) return move(0);
        if (!page[name].length) return fill(place, nothing());
        fill(place, table(`${caption}, as a table`, columns, page[name]),
            page.total_count > LIMIT && pager(page, move, caption.toLowerCase(), order));
    });
    function move(to) {
        offset = to;
        return read();
    }
    return { read, first: () => move(0) };
}

/** Ask, do, say, read again; the focus goes to the list's heading, for the row may be gone. */
export async function change(list, area, question, sentence) {
    if (!await ask(question)) return;
    say(sentence);
    await settled(list, area);
}

export async function settled(list, area) {
    await list.read();
    const heading = find(`#${area}-title`);
    heading.tabIndex = -1;
    heading.focus();
}

export function act(words, who, onclick, more = {}) {
    return h("button", { class: `button small ${more.danger ? "danger" : ""}`, type: "button", "aria-label": `${words}: ${who}`, onclick }, words);
}
