// Elements and numbers. Every text from the stream enters the page as a text node or an attribute, never as markup:
// names of models are somebody's file names.
export const $ = (id) => document.getElementById(id);

export function h(tag, attributes, ...children) {
    const element = document.createElement(tag);
    for (const [key, value] of Object.entries(attributes || {})) {
        if (value === null || value === undefined || value === false) continue;
        if (key === "style") Object.assign(element.style, value);
        else if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
        else element.setAttribute(key, value === true ? "" : value);
    }
    element.append(...children.flat(9).filter((c) => c !== null && c !== undefined && c !== false));
    return element;
}

// Touches the page only where something has changed.
export function say(element, text) {
    if (element.firstChild?.nodeType === 3 && element.childNodes.length === 1) {
        if (element.firstChild.data !== text) element.firstChild.data = text;
    } else if (element.textContent !== text) {
        element.textContent = text;
    }
}

export const clamp = (x, low, high) => Math.min(Math.max(x, low), high);
const NONE = "\u2013";
const isNumber = (x) => typeof x === "number" && Number.isFinite(x);

// Three significant digits, thousands parted by a narrow space; never an exponent.
export function figure(x) {
    if (!isNumber(x)) return NONE;
    if (x === 0) return "0";
    if (Math.abs(x) < 0.001) return "<0.001";
    const size = Math.abs(Number(x.toPrecision(3)));
    const [whole, rest] = x.toFixed(clamp(2 - Math.floor(Math.log10(size)), 0, 3)).split(".");
    return whole.replace(/\B(?=(\d{3})+(?!\d))/g, "\u202f") + (rest ? "." + rest : "");
}
export const count = (x) => (isNumber(x) ? String(x).replace(/\B(?=(\d{3})+(?!\d))/g, "\u202f") : NONE);
export const ms = (x) => (isNumber(x) ? (x >= 10000 ? `${figure(x / 1000)}\u00a0s` : `${figure(x)}\u00a0ms`) : NONE);
// A rate a second: no more digits than one can read while they change.
export const rate = (x) => (!isNumber(x) ? NONE : x >= 100 ? count(Math.round(x))
    : x.toFixed(x >= 9.95 || x === 0 ? 0 : 1));
export function percent(share) {
    if (!isNumber(share)) return NONE;
    const p = share * 100;
    return `${p === 0 ? "0" : p < 0.1 ? "<0.1" : p < 10 ? p.toFixed(1) : p.toFixed(0)}\u00a0%`;
}
export function lasting(seconds) {
    const s = Math.max(0, Math.floor(seconds)), pad = (x) => String(x).padStart(2, "0");
    const days = Math.floor(s / 86400), hours = Math.floor(s / 3600) % 24, minutes = Math.floor(s / 60) % 60;
    if (days) return `${days}\u00a0d ${hours}\u00a0h`;
    return hours ? `${hours}:${pad(minutes)}:${pad(s % 60)}` : `${minutes}:${pad(s % 60)}`;
}
export const clockTime = (date) => date.toTimeString().slice(0, 8);
