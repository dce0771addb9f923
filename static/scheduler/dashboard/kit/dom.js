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

/** Like `fill`, where nothing happens if `key` is what the element was filled for last: focus and selection stay. */
export function fillIfNew(element, key, build) {
    const text = JSON.stringify(key);
    if (element.filledFor === text) return;
    element.filledFor = text;
    fill(element, ...[build()].flat());
}

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
