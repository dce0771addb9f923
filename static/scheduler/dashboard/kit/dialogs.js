// Dialogs: a drawer for one thing, a question before something is done, and sentences that pass.
import { fill, find, h, icon } from "./dom.js";

/** A `<dialog>` at the side. Returns {body, close, title(text)}; Escape, the button and the backdrop close it. */
export function drawer(title, { onclose } = {}) {
    const heading = h("h2", { id: "drawer-title" }, title);
    const body = h("div", { class: "dialog-body" });
    const dialog = h("dialog", { class: "drawer", "aria-labelledby": "drawer-title" },
        h("div", { class: "dialog-head" }, heading, closer(() => dialog.close())), body);
    return open(dialog, { onclose, body, title: text => fill(heading, text) });
}

/**
 * Ask before doing. `reason`: "required", "optional" or null for no field. `run(reason)` is awaited with the dialog open;
 * what it throws is shown there. Resolves to whether it was done.
 */
export function ask({ title, text, action, reason = null, danger = false, run }) {
    return new Promise(resolve => {
        let done = false;
        const error = h("p", { class: "notice failed", role: "alert", hidden: true });
        const field = h("input", { class: "input", id: "ask-reason", maxlength: 500, required: reason === "required", autocomplete: "off" });
        const button = h("button", { class: `button ${danger ? "danger" : "primary"}` }, action);
        const form = h("form", { method: "dialog" },
            h("div", { class: "dialog-head" }, h("h2", { id: "ask-title" }, title), closer(() => dialog.close())),
            h("div", { class: "dialog-body" }, text && h("p", {}, text),
                reason && h("div", { class: "field" }, h("label", { for: "ask-reason" }, reason === "required" ? "Reason" : "Reason (optional)"), field), error),
            h("div", { class: "dialog-foot" },
                h("button", { class: "button", type: "button", onclick: () => dialog.close() }, "Cancel"), button));
        const dialog = h("dialog", { "aria-labelledby": "ask-title" }, form);
        form.addEventListener("submit", async event => {
            event.preventDefault();
            button.disabled = true;
            try {
                await run(field.value.trim());
                done = true;
                dialog.close();
            } catch (refused) {
                if (refused.detail === undefined) throw refused;
                error.textContent = refused.message;
                error.hidden = false;
            } finally {
                button.disabled = false;
            }
        });
        open(dialog, { onclose: () => resolve(done) });
    });
}

/** A sentence in the corner, read out by screen readers; `kind` "failed" stays longer. */
export function say(text, kind = "") {
    const toast = h("p", { class: `toast ${kind}` }, text);
    find("[data-toasts]").append(toast);
    setTimeout(() => toast.remove(), kind === "failed" ? 9000 : 5000);
}

/** Show a `<dialog>` of one's own; it goes when it is closed. */
export function open(dialog, { onclose, ...handle } = {}) {
    dialog.addEventListener("click", event => { if (event.target === dialog) dialog.close(); });
    dialog.addEventListener("close", () => { dialog.remove(); onclose?.(); });
    document.body.append(dialog);
    dialog.showModal();
    return { ...handle, dialog, close: () => dialog.close() };
}

export function closer(close) {
    return h("button", { class: "button quiet icon-only", type: "button", "aria-label": "Close", onclick: close }, icon("close"));
}
