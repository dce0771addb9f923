// Elements from data. Text is always text: nothing here or elsewhere parses markup, so no payload can be any.
const SVG = "http://www.w3.org/2000/svg";
const page = document.documentElement.dataset;

/** `h("button", {class: "button", onclick: fn, "aria-label": "x"}, "text", child, …)`; null and false are left out. */
export function h(name, properties = {}, ...children) {
    const element = document.createElement(name);
    for (const [key, value] of Object.entries(properties)) {
        if (value === null || value === undefined || value === false) continue;
        if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
        else if (key === "value" || key === "checked" || key === "disabled") element[key] = value;
        else element.setAttribute(key, value === true ? "" : String(value));
    }
    element.append(...known(children));
    return element;
}

/** An icon of icons.svg, for eyes alone. */
export function icon(name) {
    const svg = document.createElementNS(SVG, "svg");
    svg.setAttribute("class", "icon");
    svg.setAttribute("aria-hidden", "true");
    const use = document.createElementNS(SVG, "use");
    use.setAttribute("href", `${page.icons}#${name}`);
    svg.append(use);
    return svg;
}

export function fill(element, ...children) {
    element.replaceChildren(...known(children));
    return element;
}

const REACHABLE = "a[href], button, input, select, textarea, summary, [tabindex='0']";

/**
 * Like `fill`, where nothing happens if `key` is what the element was filled for last. Where it is another, what stands in
 * the same place (or else the last that can have it) gets the focus back, and opened details and scrolled tables stay so.
 */
export function renew(element, key, build) {
    const text = JSON.stringify(key);
    if (element.filledFor === text) return;
    element.filledFor = text;
    const held = findAll(REACHABLE, element).indexOf(document.activeElement);
    const opened = new Set(findAll("details[open]", element).map(named));
    const scrolled = findAll(".table-wrap", element).map(one => [one.scrollLeft, one.scrollTop]);
    fill(element, build());
    for (const one of findAll("details", element)) if (opened.has(named(one))) one.open = true;
    findAll(".table-wrap", element).forEach((one, place) => { if (scrolled[place]) [one.scrollLeft, one.scrollTop] = scrolled[place]; });
    if (held < 0) return;
    const reachable = findAll(REACHABLE, element);
    const now = reachable.filter(one => !one.disabled);
    const next = reachable[held] && !reachable[held].disabled ? reachable[held] : now[Math.min(held, now.length - 1)];
    next?.focus({ preventScroll: true });
}

const named = details => details.dataset.key ?? find("summary", details)?.textContent;

export const find = (selector, within = document) => within.querySelector(selector);
export const findAll = (selector, within = document) => [...within.querySelectorAll(selector)];

export function debounce(run, milliseconds = 300) {
    let timer;
    return (...given) => {
        clearTimeout(timer);
        timer = setTimeout(() => run(...given), milliseconds);
    };
}

function known(children) {
    return children.flat(Infinity).filter(child => child !== null && child !== undefined && child !== false);
}
