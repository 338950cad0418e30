// Models by colour and pattern, as in the report (web/report/base.js): the same palette, so that who reads both need not
// learn twice. Okabe and Ito (Color Universal Design, 2008) without vermillion, which here means "late" or "failed".
import { h } from "./base.js";

const HUES = [["#0072b2", "#fff"], ["#e69f00", "#000"], ["#009e73", "#000"], ["#cc79a7", "#000"], ["#56b4e9", "#000"],
    ["#f0e442", "#000"], ["#7a5230", "#fff"]];
// Lines are thin: darker on light paper, lighter on dark.
const LINES = { light: ["#0072b2", "#b97700", "#008a64", "#ae5587", "#2186bf", "#8d8500", "#7a5230"],
    dark: ["#3f9fe2", "#e69f00", "#1fbf92", "#dd92bb", "#7cc8f2", "#f0e442", "#bd8d63"] };
const DASHES = [[], [7, 3], [2, 3], [9, 3, 2, 3]];
export const TILE = 8;
const STROKES = [[], [[0, 8, 8, 0], [-1, 1, 1, -1], [7, 9, 9, 7]], "dots", [[0, 4, 8, 4]], [[0, 0, 8, 8], [0, 8, 8, 0]],
    [[4, 0, 4, 8]], [[0, 0, 8, 8], [-1, 7, 1, 9], [7, -1, 9, 1]], [[0, 2, 8, 2], [2, 0, 2, 8]]];
const tiles = new Map();

export const theme = { dark: false, paper: "#fff", soft: "#eee", ink: "#000", muted: "#555", line: "#ddd", accent: "#00658f",
    late: "#c22f16", good: "#0a6b4f" };
export function readTheme() {
    const style = getComputedStyle(document.documentElement);
    for (const name of ["paper", "soft", "ink", "muted", "line", "accent", "late", "good"]) {
        theme[name] = style.getPropertyValue(`--${name}`).trim();
    }
    theme.dark = style.getPropertyValue("--dark").trim() === "1";
}

// Solid for the first seven models, with a pattern for those after: of everything drawn at once the part of a colour
// alone stays small.
const kind = (index) => Math.floor(index / HUES.length) % STROKES.length;
export const hue = (index) => HUES[index % HUES.length][0];
export const inkOn = (index) => HUES[index % HUES.length][1];
export const isPlain = (index) => kind(index) === 0;
export const lineColour = (index) => LINES[theme.dark ? "dark" : "light"][index % HUES.length];
export const lineDash = (index) => DASHES[Math.floor(index / HUES.length) % DASHES.length];

export function patternTile(index) {
    if (tiles.has(index)) return tiles.get(index);
    const tile = h("canvas", { width: TILE, height: TILE });
    const c = tile.getContext("2d");
    c.fillStyle = hue(index);
    c.fillRect(0, 0, TILE, TILE);
    c.globalAlpha = 0.45;
    c.strokeStyle = c.fillStyle = inkOn(index);
    c.lineWidth = 1.4;
    const strokes = STROKES[kind(index)];
    if (strokes === "dots") {
        for (const [x, y] of [[2, 2], [6, 6]]) { c.beginPath(); c.arc(x, y, 1.3, 0, 7); c.fill(); }
    } else {
        for (const [x0, y0, x1, y1] of strokes) { c.beginPath(); c.moveTo(x0, y0); c.lineTo(x1, y1); c.stroke(); }
    }
    tiles.set(index, tile);
    return tile;
}

export function swatch(index) {
    const canvas = h("canvas", { class: "swatch", width: 20, height: 12, "aria-hidden": "true" });
    const c = canvas.getContext("2d");
    c.fillStyle = c.createPattern(patternTile(index), "repeat");
    c.fillRect(0, 0, 20, 12);
    return canvas;
}
