// What runs where, as it happens: a canvas drawn anew for every frame; only what can be seen is drawn, and no more than
// one bar per pixel.
import { $, h, clamp, ms, figure } from "./base.js";
import { theme, hue, inkOn, isPlain, patternTile, swatch, TILE } from "./colours.js";

const AXIS = 20, GAP = 3; // pixels, chosen
const SPANS = [1, 2, 5, 10]; // seconds
const LABEL_MIN = 30; // pixels of a bar that may carry text
const PATTERN_MIN = 4; // likewise a pattern

export class Timeline {
    constructor(state, view) {
        this.state = state;
        this.view = view; // { selected, paused, setPaused(), select() }
        this.canvas = $("timeline");
        this.c = this.canvas.getContext("2d", { alpha: false });
        this.span = 5000;
        this.t1 = 0;
        this.rows = [];
        this.patterns = new Map();
        this.labels = new Map();
        this.cursor = null; // { row, run } chosen with the keyboard
        this.buildSpans();
        this.listen();
        new ResizeObserver(() => this.resize()).observe(this.canvas.parentElement);
        this.resize();
    }

    buildSpans() {
        for (const s of SPANS) {
            $("span").append(h("label", null, h("input", { type: "radio", name: "span", value: s,
                onchange: () => this.setSpan(s * 1000) }), h("span", null, `${s} s`)));
        }
        this.setSpan(this.span);
    }

    setSpan(span) {
        this.span = span;
        for (const input of $("span").querySelectorAll("input")) input.checked = Number(input.value) * 1000 === span;
        this.dirty = true;
    }

    // Another server, or its models: names, rows, legend.
    begin() {
        this.cursor = null;
        this.labels.clear();
        const { models } = this.state.hello;
        $("legend").replaceChildren(...models.map((m, i) => h("button", { type: "button", "aria-pressed": "false",
            "data-model": i, onclick: () => this.view.select(i) }, swatch(i), m.name)));
        this.layRows();
    }

    layRows() {
        const { hello } = this.state;
        this.rows = hello ? hello.processors.map((_, i) => i).filter((i) => this.state.used(i)) : [];
        this.resize();
    }

    resize() {
        const width = this.canvas.parentElement.clientWidth, narrow = width < 560;
        this.ratio = clamp(devicePixelRatio || 1, 1, 3);
        this.gutter = narrow ? 0 : 128;
        this.label = narrow ? 15 : 0; // above the bars where there is no room beside them
        this.bar = narrow ? 20 : this.rows.length > 10 ? 20 : 26;
        const height = AXIS + Math.max(1, this.rows.length) * (this.label + this.bar + GAP);
        this.width = width;
        this.height = height;
        const w = Math.round(width * this.ratio), hgt = Math.round(height * this.ratio);
        if (this.canvas.width !== w || this.canvas.height !== hgt) {
            this.canvas.width = w;
            this.canvas.height = hgt;
            this.canvas.style.height = `${height}px`;
        }
        this.dirty = true;
    }

    yOf(row) { return AXIS + row * (this.label + this.bar + GAP) + this.label; }

    restyle() {
        this.patterns.clear();
        this.dirty = true;
    }

    // Patterns travel with the bars instead of standing still behind them. Where one would not be seen it is left out:
    // it takes several times as long to draw as a colour.
    fillFor(model, width) {
        if (isPlain(model) || width < PATTERN_MIN * this.ratio) return hue(model);
        let p = this.patterns.get(model);
        if (!p) {
            p = { fill: this.c.createPattern(patternTile(model), "repeat"), at: null };
            this.patterns.set(model, p);
        }
        if (p.at !== this.pixel0) {
            p.at = this.pixel0;
            p.fill.setTransform({ a: this.ratio, d: this.ratio, e: -(this.pixel0 % (TILE * this.ratio)) });
        }
        return p.fill;
    }

    // ---- Drawing ----

    draw(t1) {
        const { state, c } = this;
        if (!state.hello || state.offset === null) return;
        if (this.rows.length !== state.hello.processors.filter((_, i) => state.used(i)).length) this.layRows();
        this.t1 = t1;
        this.dirty = false;
        c.setTransform(1, 0, 0, 1, 0, 0);
        c.globalAlpha = 1;
        c.fillStyle = theme.paper;
        c.fillRect(0, 0, this.canvas.width, this.canvas.height);
        const left = Math.round(this.gutter * this.ratio), room = this.canvas.width - left;
        this.scale = room / this.span; // device pixels per ms
        // Everything is laid on whole pixels of one endless strip, so that bars keep their width while they flow.
        this.pixel1 = Math.floor(t1 * this.scale);
        this.pixel0 = this.pixel1 - room;
        this.left = left;
        this.drawAxis(room);
        this.rows.forEach((p, row) => this.drawRow(p, row));
        this.drawCursor();
    }

    drawAxis(room) {
        const { c, ratio } = this;
        const seconds = this.span / 1000, step = seconds <= 2 ? 0.5 : seconds <= 5 ? 1 : 2;
        c.font = `${11 * ratio}px ${fontOf(this.canvas)}`;
        c.textBaseline = "middle";
        for (let s = 0; s <= seconds; s += step) {
            const x = Math.round(this.left + room * (1 - s / seconds));
            c.fillStyle = theme.line;
            c.fillRect(Math.min(x, this.canvas.width - 1), AXIS * ratio, 1, this.canvas.height);
            c.fillStyle = theme.muted;
            c.textAlign = s === 0 ? "right" : s === seconds ? "left" : "center";
            c.fillText(s === 0 ? (this.view.paused ? "paused" : "now") : `\u2212${s} s`, x, AXIS * ratio / 2);
        }
    }

    drawRow(processor, row) {
        const { c, ratio, state } = this;
        const track = state.tracks[processor], info = state.hello.processors[processor];
        const now = state.last.processors[processor], { p } = state;
        const y = Math.round(this.yOf(row) * ratio), height = Math.round(this.bar * ratio);
        c.globalAlpha = 1;
        c.fillStyle = theme.soft;
        c.fillRect(this.left, y, this.canvas.width - this.left, height);
        this.edge = this.pixel1; // left end of what is drawn
        const model = now[p.model];
        const after = track.count > 0 ? track.end[track.slot(track.count - 1)] : -Infinity;
        if (model >= 0 && now[p.start_ms] >= after - 1 && now[p.start_ms] < this.t1) {
            this.drawBar(model, now[p.batch], now[p.start_ms], Math.min(this.t1, state.last.t_ms), 1, y, height);
        }
        const t0 = this.t1 - this.span;
        for (let i = track.count - 1; i >= track.first; i--) {
            const k = track.slot(i);
            if (track.end[k] < t0) break;
            this.drawBar(track.model[k], track.batch[k], track.start[k], track.end[k], track.ok[k], y, height);
        }
        this.drawLabel(info, now[p.available], processor, row, y, height);
    }

    drawBar(model, batch, start, end, ok, y, height) {
        const { c } = this;
        const x0 = Math.max(Math.floor(start * this.scale), this.pixel0);
        let x1 = Math.min(Math.max(Math.floor(end * this.scale), x0 + 1), this.edge);
        if (x1 <= x0) return; // its pixel is taken
        this.edge = x0;
        if (x1 - x0 > 3 * this.ratio) x1 -= 1; // a seam between neighbours
        const { selected } = this.view;
        c.globalAlpha = selected === null || selected === model ? 1 : 0.16;
        c.fillStyle = ok ? this.fillFor(model, x1 - x0) : theme.late;
        const x = this.left + x0 - this.pixel0;
        c.fillRect(x, y, x1 - x0, height);
        if (x1 - x0 > LABEL_MIN * this.ratio) this.drawText(model, batch, x, x1 - x0, y, height);
    }

    drawText(model, batch, x, width, y, height) {
        const { c, ratio } = this;
        const text = this.textFor(model, batch, width / ratio - 10);
        if (!text) return;
        c.font = `600 ${11 * ratio}px ${fontOf(this.canvas)}`;
        if (!isPlain(model)) { // the pattern would run through the letters
            c.fillStyle = hue(model);
            c.fillRect(x + 3 * ratio, y + height / 2 - 7 * ratio, text.width * ratio + 5 * ratio, 14 * ratio);
        }
        c.fillStyle = inkOn(model);
        c.textAlign = "left";
        c.textBaseline = "middle";
        c.fillText(text.text, x + 5 * ratio, y + height / 2 + ratio);
    }

    // The longest of a few wordings that fits; measured once.
    textFor(model, batch, room) {
        const key = model * 1000 + batch;
        let all = this.labels.get(key);
        if (!all) {
            const name = this.state.hello.models[model]?.name ?? "?", times = batch > 1 ? ` \u00d7${batch}` : "";
            const short = name.length > 12 ? `${name.slice(0, 10)}\u2026` : name;
            this.c.font = `600 11px ${fontOf(this.canvas)}`;
            all = [name + times, short + times, times.trim()].filter(Boolean)
                .map((text) => ({ text, width: this.c.measureText(text).width }));
            this.labels.set(key, all);
        }
        return all.find((t) => t.width <= room);
    }

    drawLabel(info, available, processor, row, y, height) {
        const { c, ratio, state } = this;
        const busy = state.busyShare(processor);
        const name = info.background ? `${info.name.replace(/\.bg$/, "")} background` : info.name;
        const middle = this.label ? y - this.label / 2 * ratio : y + height / 2 + ratio;
        c.globalAlpha = 1;
        c.textBaseline = "middle";
        c.textAlign = "left";
        c.font = `600 ${12 * ratio}px ${fontOf(this.canvas)}`;
        c.fillStyle = available ? theme.ink : theme.late;
        c.fillText(available ? name : `${name}: out`, 0, middle, (this.label ? this.width - 60 : this.gutter - 46) * ratio);
        c.textAlign = "right";
        c.font = `${12 * ratio}px ${fontOf(this.canvas)}`;
        c.fillStyle = theme.muted;
        c.fillText(busy === null ? "" : `${Math.round(busy * 100)} %`,
            (this.label ? this.width : this.gutter - 8) * ratio, middle);
    }

    drawCursor() {
        if (!this.cursor) return;
        const { c, ratio } = this;
        const track = this.state.tracks[this.rows[this.cursor.row]], k = track.slot(this.cursor.run);
        const x = this.left + Math.floor(track.start[k] * this.scale) - this.pixel0;
        const width = Math.max(2, (track.end[k] - track.start[k]) * this.scale);
        c.globalAlpha = 1;
        c.strokeStyle = theme.ink;
        c.lineWidth = 2 * ratio;
        c.strokeRect(x, this.yOf(this.cursor.row) * ratio - ratio, width, (this.bar + 2) * ratio);
    }

    // ---- Asking ----

    listen() {
        this.canvas.addEventListener("pointermove", (e) => this.point(e));
        this.canvas.addEventListener("pointerleave", () => { this.pointer = null; hideTip(); });
        this.canvas.addEventListener("keydown", (e) => this.key(e));
        this.canvas.addEventListener("blur", () => { this.cursor = null; this.dirty = true; hideTip(); });
    }

    point(e) {
        const box = this.canvas.getBoundingClientRect();
        this.pointer = { x: e.clientX, y: e.clientY };
        const row = this.rows.findIndex((_, i) => {
            const y = e.clientY - box.top - this.yOf(i);
            return y >= 0 && y < this.bar;
        });
        const x = (e.clientX - box.left) * this.ratio - this.left;
        const run = row < 0 || x < 0 ? null : this.runAt(this.rows[row], (this.pixel0 + x) / this.scale);
        if (run === null) hideTip();
        else showTip(e.clientX, e.clientY, this.about(this.rows[row], run));
    }

    runAt(processor, t) {
        const track = this.state.tracks[processor], i = track.firstAfter(t - 1 / this.scale);
        return i < track.count && track.start[track.slot(i)] <= t + 1 / this.scale ? i : null;
    }

    // What a run is, line by line.
    about(processor, run) {
        const track = this.state.tracks[processor], k = track.slot(run), { hello } = this.state;
        const lines = [hello.models[track.model[k]]?.name ?? "?",
            `${hello.processors[processor].name}${track.batch[k] > 1 ? `, batch of ${track.batch[k]}` : ""}`,
            `took ${ms(track.end[k] - track.start[k])}${track.ok[k] ? "" : ", failed"}`];
        const decision = this.state.decisions.find((d) => d.number === track.decision[k]);
        if (decision) lines.push(`expected ${ms(decision.chosen.expected_ms)}, had waited ${ms(decision.waited_ms)}`);
        return lines;
    }

    key(e) {
        if (e.ctrlKey || e.altKey || e.metaKey) return;
        const zoom = { "+": -1, "=": -1, "-": 1 }[e.key];
        if (zoom) {
            const at = SPANS.indexOf(this.span / 1000) + zoom;
            if (SPANS[at]) this.setSpan(SPANS[at] * 1000);
        } else if (e.key === " ") {
            this.view.setPaused(!this.view.paused);
        } else if (e.key === "Escape") {
            this.cursor = null;
            hideTip();
        } else if (e.key === "ArrowLeft" || e.key === "ArrowRight") {
            this.step(e.key === "ArrowLeft" ? -1 : 1);
        } else if (e.key === "ArrowUp" || e.key === "ArrowDown") {
            this.change(e.key === "ArrowUp" ? -1 : 1);
        } else {
            return;
        }
        e.preventDefault();
        this.dirty = true;
    }

    place(row) {
        const track = this.state.tracks[this.rows[row]];
        const run = track.firstAfter(this.t1) - 1;
        return run >= track.first ? { row, run } : null;
    }

    step(by) {
        this.view.setPaused(true); // a run that flows away cannot be read
        if (!this.cursor) {
            const row = this.rows.findIndex((p) => this.state.tracks[p].count > 0);
            this.cursor = row < 0 ? null : this.place(row);
        } else {
            const track = this.state.tracks[this.rows[this.cursor.row]], { selected } = this.view;
            const seen = (i) => i >= track.first && i < track.count && track.end[track.slot(i)] > this.t1 - this.span &&
                track.start[track.slot(i)] < this.t1;
            let run = this.cursor.run + by;
            while (selected !== null && seen(run) && track.model[track.slot(run)] !== selected) run += by;
            if (seen(run)) this.cursor.run = run;
        }
        this.tell();
    }

    change(by) {
        this.view.setPaused(true);
        const row = clamp((this.cursor?.row ?? (by > 0 ? -1 : this.rows.length)) + by, 0, this.rows.length - 1);
        this.cursor = this.place(row) ?? this.cursor;
        this.tell();
    }

    tell() {
        if (!this.cursor) return;
        const lines = this.about(this.rows[this.cursor.row], this.cursor.run);
        const track = this.state.tracks[this.rows[this.cursor.row]], k = track.slot(this.cursor.run);
        const box = this.canvas.getBoundingClientRect();
        const x = (this.left + track.start[k] * this.scale - this.pixel0) / this.ratio;
        showTip(box.left + clamp(x, 0, this.width), box.top + this.yOf(this.cursor.row) + this.bar, lines);
        $("spoken").textContent = lines.join(", ");
    }

    // For who does not see it.
    describe() {
        const { state } = this;
        if (!state.last) return;
        const parts = this.rows.map((p) => {
            const share = state.busyShare(p);
            return `${state.hello.processors[p].name} ${share === null ? "unknown" : `${Math.round(share * 100)} % busy`}`;
        });
        this.canvas.setAttribute("aria-label",
            `Timeline of the last ${figure(this.span / 1000)} seconds. ${parts.join(", ")}.`);
    }
}

let font = null;
const fontOf = (element) => (font ??= getComputedStyle(element).fontFamily);

function showTip(x, y, lines) {
    const tip = $("tip");
    tip.replaceChildren(h("b", null, lines[0]), ...lines.slice(1).map((l) => h("span", null, l)));
    tip.hidden = false;
    const box = tip.getBoundingClientRect();
    tip.style.left = `${clamp(x + 14 + box.width > innerWidth ? x - 14 - box.width : x + 14, 6, innerWidth - 6)}px`;
    tip.style.top = `${clamp(y + 14 + box.height > innerHeight ? y - 14 - box.height : y + 14, 6, innerHeight)}px`;
}
const hideTip = () => { $("tip").hidden = true; };
