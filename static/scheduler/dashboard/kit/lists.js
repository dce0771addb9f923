// Lists of the contract: filters that live in the address, a table, and a pager.
import { debounce, findAll, h, icon, renew } from "./dom.js";
import { number } from "./time.js";

/** The address's query as an object, and a way to change it without loading: null and "" remove a name. */
export const query = () => Object.fromEntries(new URLSearchParams(location.search));
export function setQuery(changes, { push = false } = {}) {
    const url = new URL(location.href);
    for (const [name, value] of Object.entries(changes)) {
        if (value === null || value === undefined || value === "") url.searchParams.delete(name);
        else url.searchParams.set(name, value);
    }
    history[push ? "pushState" : "replaceState"](null, "", url);
}

/** Ties the named fields of a form to the address; `changed()` runs after each change, with paging begun anew. */
export function bindFilters(form, changed) {
    const show = () => {
        const given = query();
        for (const field of findAll("[name]", form)) field.value = given[field.name] ?? field.dataset.default ?? "";
    };
    const apply = () => {
        const given = Object.fromEntries(findAll("[name]", form).map(field => [field.name, field.value === field.dataset.default ? "" : field.value.trim()]));
        setQuery({ ...given, offset: null });
        changed();
    };
    show();
    form.addEventListener("input", debounce(apply, 250));
    form.addEventListener("submit", event => { event.preventDefault(); apply(); });
    window.addEventListener("popstate", () => { show(); changed(); });
}

/** `columns`: [{name, build(row), number?}]; the first is the row's header. Cells carry their column's name for phones. */
export function table(caption, columns, rows) {
    const head = columns.map(column => h("th", { scope: "col", class: column.number ? "number" : null }, column.name || h("span", { class: "visually-hidden" }, column.label)));
    const body = rows.map(row => h("tr", {}, columns.map(column => h("td", {
        "data-label": column.name || null, class: column.number ? "number" : null }, column.build(row)))));
    return h("div", { class: "table-wrap", tabindex: "0", role: "region", "aria-label": caption },
        h("table", { class: "rows" }, h("caption", { class: "visually-hidden" }, caption), h("thead", {}, h("tr", {}, head)), h("tbody", {}, body)));
}

/** Under a later page, which would move under its reader's eyes: how many came `since` it was read, with the way there. */
export function newerThan(element, since, now, first) {
    const count = since === null ? 0 : Math.max(0, now - since);
    renew(element, count, () => count > 0 && [`${number(count)} newer since; `, h("button", { type: "button", class: "row-button", onclick: first }, "to the first page")]);
}

/** "1–50 of 1,234" with a button either side; `move(offset)` does the rest. `page` is an envelope of the contract. */
export function pager({ total_count, limit, offset, has_more }, move, what = "rows", [before, after] = ["Newer", "Older"]) {
    const last = Math.min(offset + limit, total_count);
    const step = (name, label, to, disabled) => h("button", {
        class: "button small", type: "button", disabled, onclick: () => move(to) }, name === "previous" && icon(name), label, name === "next" && icon(name));
    return h("nav", { class: "pager", "aria-label": `Pages of ${what}` },
        h("p", { class: "small soft", role: "status" }, total_count ? `${number(offset + 1)}–${number(last)} of ${number(total_count)} ${what}` : `No ${what}`),
        h("div", { class: "actions" },
            step("previous", before, Math.max(0, offset - limit), offset === 0), step("next", after, offset + limit, !has_more)));
}
