"""What the dashboard's pages are held to, by scripts that run in them: nothing moves, and Tab gets anywhere."""

from __future__ import annotations

from playwright.sync_api import Page

# Before a page's own scripts.
WATCH_SHIFTS = """
window.shifted = 0;
const add = one => { if (!one.hadRecentInput) window.shifted += one.value; };
new PerformanceObserver(list => list.getEntries().forEach(add))
    .observe({ type: "layout-shift", buffered: true });
"""
# What people can use: to be seen, not inert, and of a group of radio buttons the one that Tab comes to.
_USABLE = """
const usable = element => {
    if (!element.checkVisibility({ visibilityProperty: true }) || element.closest("[inert]")) return false;
    if (document.querySelector("dialog[open]") && !element.closest("dialog[open]")) return false;
    if (element.type === "radio") {
        const group = [...document.getElementsByName(element.name)];
        return element === (group.find(one => one.checked) ?? group[0]);
    }
    return true;
};
const found = () => [...document.querySelectorAll(
    "a[href], button:enabled, input:enabled:not([type=hidden]), select:enabled, textarea:enabled, summary, [tabindex]",
)].filter(element => element.tabIndex >= 0 && usable(element));
const words = element => {
    const said = element.getAttribute("aria-label") ?? element.textContent;
    return `${element.localName}#${element.id} ${said.trim().slice(0, 40)}`;
};
"""
_BEGIN = (
    "() => {"
    + _USABLE
    + """
    const held = element => {
        const style = getComputedStyle(element), around = element.closest("label");
        const drawn = one => one.boxShadow !== "none" ||
            one.outlineStyle !== "none" && parseFloat(one.outlineWidth) > 0;
        return drawn(style) || around && (drawn(getComputedStyle(around)) ||
            [...around.children].some(one => drawn(getComputedStyle(one))));
    };
    window.reached = new Set();
    window.unmarked = new Set();
    window.rounds = 0;
    let first = null;
    document.addEventListener("focusin", ({ target }) => {
        if (target === first) window.rounds += 1;
        first ??= target;
        window.reached.add(target);
        if (!held(target)) window.unmarked.add(words(target));
    });
    return found().length;
}"""
)
_END = (
    "() => {"
    + _USABLE
    + """
    return {
        missed: found().filter(element => !window.reached.has(element)).map(words),
        unmarked: [...window.unmarked],
        rounds: window.rounds,
    };
}"""
)


def walk(page: Page) -> list[str]:
    """What is wrong for who has no mouse: what Tab does not come to, where it does not show, where it is caught."""
    presses = page.evaluate(_BEGIN)
    for _ in range(presses * 2 + 10):
        page.keyboard.press("Tab")
        if page.evaluate("window.rounds"):
            break
    told = page.evaluate(_END)
    return [
        *(f"not reached: {each}" for each in told["missed"]),
        *(f"not marked: {each}" for each in told["unmarked"]),
        *([] if told["rounds"] else ["Tab does not come round"]),
    ]
