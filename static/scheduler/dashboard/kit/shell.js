// What every page has: the count of what needs a person, and what happens when the session ends.
import { find, h } from "./dom.js";
import "./live.js";
import "./theme_switch.js";

const root = document.documentElement;

document.addEventListener("signed-out", () => {
    if (find("#signed-out")) return;
    const next = encodeURIComponent(location.pathname + location.search);
    const dialog = h("dialog", { id: "signed-out", "aria-labelledby": "signed-out-title" },
        h("div", { class: "dialog-head" }, h("h2", { id: "signed-out-title" }, "You are signed out")),
        h("div", { class: "dialog-body" }, h("p", {}, "Your session has ended. Sign in to go on where you were; nothing that you have typed was sent.")),
        h("div", { class: "dialog-foot" }, h("a", { class: "button primary", href: `${root.dataset.signIn}?next=${next}` }, "Sign in")));
    dialog.addEventListener("cancel", event => event.preventDefault());
    document.body.append(dialog);
    dialog.showModal();
});

document.addEventListener("pulse", ({ detail: { attention } }) => {
    const count = find("[data-attention]");
    count.hidden = !attention;
    count.textContent = attention > 99 ? "99+" : attention;
    count.nextElementSibling.textContent = attention ? `, ${attention} waiting` : "";
});
