// The report's script is these files one after the other: base, analyse, compare, timeline, report. This one: elements,
// numbers, colours. Every text from the data enters the page as a text node or an attribute, never as markup: names of
// models and policies are somebody's file names.
"use strict";

// ---- Elements, numbers, statistics --------------------------------------------------------------------------------

const SVG = "http://www.w3.org/2000/svg";
const $ = (id) => document.getElementById(id);

function fill(element, attributes, children) {
    for (const [key, value] of Object.entries(attributes || {})) {
        if (value === null || value === undefined || value === false) continue;
        if (key === "style") Object.assign(element.style, value);
        else if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
        else element.setAttribute(key, value === true ? "" : value);
    }
    element.append(...children.flat(9).filter((c) => c !== null && c !== undefined && c !== false));
    return element;
}
const h = (tag, attributes, ...children) => fill(document.createElement(tag), attributes, children);
const svg = (tag, attributes, ...children) => fill(document.createElementNS(SVG, tag), attributes, children);

const isNumber = (x) => typeof x === "number" && Number.isFinite(x);
const list = (x) => (Array.isArray(x) ? x : []);
const clamp = (x, low, high) => Math.min(Math.max(x, low), high);
const plural = (n, one, many) => `${number(n)} ${n === 1 ? one : many || one + "s"}`;

// A measured figure: three significant digits, thousands parted by a narrow space; never an exponent.
function figure(x) {
    if (!isNumber(x)) return "\u2013";
    if (x === 0) return "0";
    if (Math.abs(x) < 0.001) return "<0.001";
    const size = Math.abs(Number(x.toPrecision(3)));
    const [whole, rest] = x.toFixed(clamp(2 - Math.floor(Math.log10(size)), 0, 4)).split(".");
    return whole.replace(/\B(?=(\d{3})+(?!\d))/g, "\u202f") + (rest ? "." + rest : "");
}
// A count, or what somebody set: whole numbers stay whole.
const number = (x) => (Number.isInteger(x) && Math.abs(x) < 1000 ? String(x) : figure(x));
const ms = (x) => (isNumber(x) ? (x >= 10000 ? `${number(x / 1000)} s` : `${number(x)} ms`) : "\u2013");

function inPercent(share) {
    if (!isNumber(share)) return "\u2013";
    const p = share * 100;
    if (p === 0) return "0";
    if (p < 0.01) return "<0.01";
    return p < 1 ? p.toFixed(2) : Math.abs(p - 100) < 0.05 ? "100" : p < 1000 ? p.toFixed(1) : figure(p);
}
const percent = (share) => (isNumber(share) ? `${inPercent(share)}\u00a0%` : "\u2013");

// {median, min, max, n} of what is a number in values; null if nothing is.
function spread(values) {
    const v = values.filter(isNumber).sort((a, b) => a - b);
    if (!v.length) return null;
    const middle = v.length >> 1;
    return { median: v.length % 2 ? v[middle] : (v[middle - 1] + v[middle]) / 2, min: v[0], max: v[v.length - 1],
        n: v.length };
}

const greatest = (values) => values.filter(isNumber).reduce((a, b) => (a === null || b > a ? b : a), null);
const least = (values) => values.filter(isNumber).reduce((a, b) => (a === null || b < a ? b : a), null);

// ---- Models by colour and pattern ---------------------------------------------------------------------------------

// Okabe and Ito's palette (Color Universal Design, 2008) without vermillion, which here means "late"; 7 colours and
// 8 patterns part 56 models, in greyscale by the pattern alone.
const HUES = [["#0072b2", "#fff"], ["#e69f00", "#000"], ["#009e73", "#000"], ["#cc79a7", "#000"], ["#56b4e9", "#000"],
    ["#f0e442", "#000"], ["#7a5230", "#fff"]];
const TILE = 8;
const STROKES = [[], [[0, 8, 8, 0], [-1, 1, 1, -1], [7, 9, 9, 7]], "dots", [[0, 4, 8, 4]], [[0, 0, 8, 8], [0, 8, 8, 0]],
    [[4, 0, 4, 8]], [[0, 0, 8, 8], [-1, 7, 1, 9], [7, -1, 9, 1]], [[0, 2, 8, 2], [2, 0, 2, 8]]];
const tiles = new Map();

const hue = (index) => HUES[index % HUES.length][0];
const inkOn = (index) => HUES[index % HUES.length][1];

function patternTile(index) {
    if (tiles.has(index)) return tiles.get(index);
    const tile = h("canvas", { width: TILE, height: TILE });
    const c = tile.getContext("2d");
    c.fillStyle = hue(index);
    c.fillRect(0, 0, TILE, TILE);
    c.globalAlpha = 0.42;
    c.strokeStyle = c.fillStyle = inkOn(index);
    c.lineWidth = 1.4;
    const strokes = STROKES[index % STROKES.length];
    if (strokes === "dots") {
        for (const [x, y] of [[2, 2], [6, 6]]) { c.beginPath(); c.arc(x, y, 1.3, 0, 7); c.fill(); }
    } else {
        for (const [x0, y0, x1, y1] of strokes) { c.beginPath(); c.moveTo(x0, y0); c.lineTo(x1, y1); c.stroke(); }
    }
    tiles.set(index, tile);
    return tile;
}
const swatch = (index) => h("i", { class: "swatch", "aria-hidden": "true",
    style: { background: `url(${patternTile(index).toDataURL()})` } });

// ---- Hints beside the pointer -------------------------------------------------------------------------------------

function showTip(x, y, ...content) {
    const tip = $("tip");
    tip.replaceChildren(...content);
    tip.hidden = false;
    const box = tip.getBoundingClientRect();
    const left = x + 16 + box.width > innerWidth ? x - 16 - box.width : x + 16;
    tip.style.left = `${clamp(left, 6, Math.max(6, innerWidth - box.width - 6))}px`;
    tip.style.top = `${clamp(y + 14 + box.height > innerHeight ? y - 14 - box.height : y + 14, 6, innerHeight)}px`;
}
const hideTip = () => { $("tip").hidden = true; };
