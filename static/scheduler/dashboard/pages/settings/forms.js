// A form in a dialog with the API's errors at its fields, and what is shown once and never again.
import { closer, open } from "../../kit/dialogs.js";
import { fill, find, findAll, h, icon } from "../../kit/dom.js";

/**
 * Ask for values, and do something with them. `fields`: [{name, label, type, value, help, required, options, …}], `type`
 * text | email | url | textarea | select | checks, or an element of your own as `element` with `read()`.
 * `run(values)` is awaited with the dialog open; what the API refuses is shown at its field. Resolves to what it answered, or null.
 */
export function fillIn({ title, text = null, fields, action, run, arrange = null }) {
    return new Promise(resolve => {
        let answer = null;
        const notice = h("div", { class: "notice failed", role: "alert", hidden: true });
        const button = h("button", { class: "button primary" }, action);
        const made = fields.map(fieldOf);
        const form = h("form", { method: "dialog", novalidate: true },
            h("div", { class: "dialog-head" }, h("h2", { id: "fill-in-title" }, title), closer(() => dialog.close())),
            h("div", { class: "dialog-body" }, text && h("p", {}, text), notice, made.map(one => one.row)),
            h("div", { class: "dialog-foot" },
                h("button", { class: "button", type: "button", onclick: () => dialog.close() }, "Cancel"), button));
        const dialog = h("dialog", { "aria-labelledby": "fill-in-title" }, form);
        const values = () => Object.fromEntries(made.map(one => [one.name, one.read()]));
        const arranged = () => arrange?.(values(), Object.fromEntries(made.map(one => [one.name, one])));
        form.addEventListener("input", arranged);
        form.addEventListener("submit", async event => {
            event.preventDefault();
            if (button.disabled) return;
            for (const one of made) one.mark("");
            notice.hidden = true;
            const missing = made.filter(one => one.required && !one.row.hidden && !one.read().length);
            if (missing.length) return refuse(Object.fromEntries(missing.map(one => [one.name, ["This is needed."]])));
            button.disabled = true;
            try {
                answer = await run(values()) ?? true;
                dialog.close();
            } catch (refused) {
                if (refused.detail === undefined) throw refused;
                button.disabled = false;
                refuse(refused.errors, refused.message);
            } finally {
                button.disabled = false;
            }
        });
        function refuse(errors, sentence) {
            const others = [];
            for (const [path, said] of Object.entries(errors)) {
                const one = made.find(({ name }) => path === name || path.startsWith(`${name}.`));
                const words = [said].flat(Infinity).map(String).join(" ");
                if (one && !one.row.hidden) one.mark(words);
                else others.push(words);
            }
            if (!Object.keys(errors).length) others.push(sentence);
            fill(notice, others.map(one => h("p", {}, one)));
            notice.hidden = !others.length;
            find('[aria-invalid="true"]', form)?.focus();
        }
        open(dialog, { onclose: () => resolve(answer) });
        arranged();
        find(".dialog-body input, .dialog-body select, .dialog-body textarea", form)?.focus();
    });
}

/** A key, a secret or a link: shown in a dialog, to be copied, and gone when it is closed. */
export function showOnce({ title, warning, label, value }) {
    return new Promise(resolve => {
        const shown = h("input", { class: "input mono", id: "shown-once", readonly: true, value, autocomplete: "off", spellcheck: "false", onfocus: () => shown.select() });
        const words = h("span", {}, "Copy");
        const told = h("p", { class: "visually-hidden", role: "status" });
        const copy = h("button", { class: "button primary", type: "button", onclick: async () => {
            try {
                await navigator.clipboard.writeText(value);
                words.textContent = "Copied";
                told.textContent = `${label} copied`;
            } catch {
                shown.select();
                told.textContent = "It could not be copied; it is selected, copy it with the keyboard.";
                told.className = "small";
            }
        } }, icon("copy"), words);
        const dialog = h("dialog", { closedby: "none", "aria-labelledby": "shown-once-title", "aria-describedby": "shown-once-warning" },
            h("div", { class: "dialog-head" }, h("h2", { id: "shown-once-title" }, title)),
            h("div", { class: "dialog-body" },
                h("p", { class: "notice", id: "shown-once-warning" }, warning),
                h("div", { class: "field" }, h("label", { for: "shown-once" }, label), h("div", { class: "secret" }, shown, copy)), told),
            h("div", { class: "dialog-foot" }, h("button", { class: "button", type: "button", onclick: () => dialog.close() }, "I have kept it")));
        // Neither Escape nor a click beside the dialog loses what cannot be shown again.
        dialog.addEventListener("cancel", event => event.preventDefault());
        dialog.addEventListener("click", event => { if (event.target === dialog) event.stopImmediatePropagation(); }, true);
        open(dialog, { onclose: resolve });
        copy.focus();
    });
}

/** One key for one body: what was sent twice, because an answer got lost, is done once. */
export function onceKey() {
    let sent = null, key = null;
    return body => {
        const text = JSON.stringify(body);
        if (text !== sent) [sent, key] = [text, crypto.randomUUID()];
        return key;
    };
}

function fieldOf({ name, label, type = "text", value = "", help = null, required = false, options = [], rows = 4, element = null, read = null, ...more }) {
    const id = `field-${name}`;
    const error = h("p", { class: "error", id: `${id}-error`, hidden: true });
    const common = { class: "input", id, name, value, autocomplete: "off", spellcheck: "false", "aria-required": required ? "true" : null, "aria-describedby": `${help ? `${id}-help ` : ""}${id}-error`, ...more };
    const hint = help && h("p", { class: "help", id: `${id}-help` }, help);
    if (type === "checks" || element) {
        const group = element ?? h("div", { class: "choice-list" }, options.map(([key, words]) => h("label", {},
            h("input", { type: "checkbox", value: key, checked: value.includes(key), "aria-describedby": `${id}-error` }), ` ${words}`)));
        const row = h("fieldset", { class: "field" }, h("legend", {}, label), hint, group, error);
        return { name, row, required, read: read ?? (() => findAll("input:checked", group).map(box => box.value)), mark: text => mark(find("input", group), text) };
    }
    const field = type === "textarea" ? h("textarea", { ...common, rows })
        : type === "select" ? h("select", common, options.map(([key, words]) => h("option", { value: key, selected: key === value }, words)))
            : h("input", { ...common, type });
    const options_ = values => { const kept = field.value; fill(field, values.map(([key, words]) => h("option", { value: key, selected: key === kept }, words))); };
    const row = h("div", { class: "field" }, h("label", { for: id }, label), field, hint, error);
    return { name, row, required, field, options: options_, read: () => field.value.trim(), mark: text => mark(field, text) };

    function mark(input, text) {
        error.textContent = text;
        error.hidden = !text;
        if (text) input?.setAttribute("aria-invalid", "true");
        else input?.removeAttribute("aria-invalid");
    }
}
