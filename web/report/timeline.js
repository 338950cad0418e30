// What ran where: a canvas per policy that is drawn anew for every view; only what can be seen is drawn.

const AXIS = 24, LABEL = 19, LANE_ONE = 26, LANE_MANY = 17, LANES_MAX = 8, GAP = 7; // pixels, chosen
const PAPER_WIDTH = 690; // pixels: A4 less its margins at 96 per inch
const SPAN_MIN = 0.2; // ms, chosen: the shortest stretch of time that a view may show
const BARS_AT_FIRST = 25; // of a model, chosen; the geometric mean over models lies between the quick and the slow ones

// Sorts a track's runs by start and gives each a lane, so that runs at the same time (one session per model on all
// cores) lie below each other. Times become relative to the timeline's start.
function prepareTrack(track, origin) {
    const runs = list(track.runs).filter((r) => isNumber(r[1]) && isNumber(r[2]))
        .map(([model, start, end, batch, late]) => ({ model, start: start - origin,
            end: Math.max(end, start) - origin, batch, late: Boolean(late) }))
        .sort((a, b) => a.start - b.start);
    const ends = [];
    for (const run of runs) {
        let lane = ends.findIndex((end) => end <= run.start + 1e-3);
        if (lane < 0) lane = ends.length < LANES_MAX ? ends.length : ends.indexOf(Math.min(...ends));
        ends[lane] = run.end;
        run.lane = lane;
    }
    const lanes = Array.from({ length: Math.max(1, ends.length) }, () => []);
    for (const run of runs) lanes[run.lane].push(run);
    // A processor's twin for background work runs beside it; ".bg" is kept for its name.
    const [, processor, twin] = String(track.processor).match(/^(.*?)(\.bg)?$/s);
    return { name: twin ? `${processor} background` : processor, processor, runs, lanes,
        busy: runs.reduce((sum, r) => sum + r.end - Math.max(0, r.start), 0),
        laneHeight: ends.length > 1 ? LANE_MANY : LANE_ONE, late: runs.filter((r) => r.late).length };
}

const prepared = new Map();
function prepare(run) {
    if (prepared.has(run)) return prepared.get(run);
    const t = run.timeline, origin = isNumber(t.start_ms) ? t.start_ms : 0;
    const tracks = list(t.tracks).map((track) => prepareTrack(track, origin));
    const last = tracks.reduce((m, track) => track.runs.reduce((n, r) => Math.max(n, r.end), m), 0);
    const span = isNumber(t.end_ms) && t.end_ms > origin ? t.end_ms - origin : last;
    let y = AXIS;
    for (const track of tracks) {
        track.y = y + LABEL;
        y = track.y + track.lanes.length * track.laneHeight + GAP;
    }
    const counts = new Map();
    for (const track of tracks) for (const r of track.runs) counts.set(r.model, (counts.get(r.model) || 0) + 1);
    const logs = [...counts.values()].map(Math.log);
    const typical = logs.length ? Math.exp(logs.reduce((a, b) => a + b, 0) / logs.length) : 1;
    const made = { tracks, span: Math.max(span, SPAN_MIN), height: y, typical };
    prepared.set(run, made);
    return made;
}

// Index of the first run of a lane that ends after t; ends are in order within a lane unless lanes ran out.
function firstAfter(lane, t) {
    let low = 0, high = lane.length;
    while (low < high) {
        const middle = (low + high) >> 1;
        if (lane[middle].end < t) low = middle + 1; else high = middle;
    }
    return low;
}

function timeTicks(t0, t1, room) {
    const rough = (t1 - t0) / Math.max(2, room);
    const power = 10 ** Math.floor(Math.log10(rough));
    const step = [1, 2, 5, 10].find((m) => m * power >= rough) * power;
    const ticks = [];
    for (let k = Math.ceil(t0 / step); k * step <= t1; k++) ticks.push(k * step);
    return { ticks, step };
}
function timeText(t, step, last) {
    const seconds = step >= 1000 || last >= 10000, unit = seconds ? 1000 : 1;
    const digits = clamp(-Math.floor(Math.log10(step / unit) + 1e-9), 0, 6);
    return `${(t / unit).toFixed(digits)} ${seconds ? "s" : "ms"}`;
}

class Timeline {
    constructor(report) {
        this.report = report;
        this.view = { t0: 0, t1: 1 };
        this.only = null;
        this.panels = [];
        this.scrolled = -1e9;
        this.queued = false;
    }

    runsOf(name) {
        return (this.report.policies.find((p) => p.name === name)?.runs || []).filter((r) => r.timeline);
    }

    build() {
        const { policies, best, base } = this.report;
        const drawn = policies.filter((p) => this.runsOf(p.name).length);
        if (!drawn.length) return h("p", { class: "muted" }, "No timeline was recorded in this run.");
        this.shown = (drawn.includes(best) ? best : drawn[0]).name;
        this.beside = drawn.includes(base) && base.name !== this.shown ? base.name : "";
        this.round = null;
        const rounds = [...new Set(drawn.flatMap((p) => this.runsOf(p.name).map((r) => r.round)))]
            .sort((a, b) => a - b);
        this.overview = h("canvas", { class: "overview", "aria-hidden": "true" });
        this.stage = h("div");
        this.overview.addEventListener("pointerdown", (e) => {
            this.overview.setPointerCapture(e.pointerId);
            this.seek(e);
        });
        this.overview.addEventListener("pointermove", (e) => e.buttons && this.seek(e));
        addEventListener("scroll", () => { this.scrolled = performance.now(); }, { passive: true });
        addEventListener("resize", () => this.redraw());
        // Sharp on paper: drawn for its width instead of being squeezed into it.
        addEventListener("beforeprint", () => { this.paper = PAPER_WIDTH; this.draw(); });
        addEventListener("afterprint", () => { this.paper = 0; this.redraw(); });
        for (const query of ["(prefers-color-scheme: dark)", "print"]) {
            matchMedia(query).addEventListener("change", () => { this.colours = null; this.draw(); });
        }
        return [this.picker(policies), this.tools(drawn, rounds), this.legend(), this.overview, this.stage,
            h("p", { class: "muted small hint", id: "timeline-keys" },
                "Wheel or pinch to zoom, drag to move. With a timeline in focus: ",
                [["\u2190 \u2192", "move"], ["+ \u2212", "zoom"], ["0", "all"], ["\u2191 \u2193", "processor"],
                    [", .", "previous, next run"], ["L", "next late run"]]
                    .map(([keys, does]) => [h("span", { class: "nowrap" },
                        keys.split(" ").map((k) => [h("kbd", null, k), " "]), does), " \u00a0"]))];
    }

    picker(policies) {
        return h("fieldset", { class: "picker" }, h("legend", null, "Policy"), policies.map((p) => h("label", null,
            h("input", { type: "radio", name: "policy", value: p.name, checked: p.name === this.shown,
                disabled: !this.runsOf(p.name).length, onchange: () => { this.shown = p.name; this.show(); } }),
            h("span", null, p.name, !this.runsOf(p.name).length
                && h("span", { class: "hidden-text" }, " (no timeline)")))));
    }

    tools(drawn, rounds) {
        const zoom = (label, text, act) => h("button", { type: "button", "aria-label": label, title: label,
            onclick: act }, text);
        return h("div", { class: "tools" },
            drawn.length > 1 && h("label", null, "Beside it",
                h("select", { id: "beside", onchange: (e) => { this.beside = e.target.value; this.show(); } },
                h("option", { value: "" }, "nothing"),
                drawn.map((p) => h("option", { value: p.name, selected: p.name === this.beside }, p.name)))),
            rounds.length > 1 && h("label", null, "Round", h("select", { id: "round",
                onchange: (e) => { this.round = rounds[e.target.selectedIndex]; this.show(); } },
                    rounds.map((r) => h("option", null, number(r))))),
            h("span", { class: "zoom", role: "group", "aria-label": "Zoom" },
                zoom("Move left", "\u25c0", () => this.pan(-0.4)), zoom("Zoom out", "\u2212", () => this.zoom(2)),
                zoom("Zoom in", "+", () => this.zoom(0.5)), zoom("Move right", "\u25b6", () => this.pan(0.4)),
                zoom("Show all", "All", () => this.look(0, Infinity))));
    }

    legend() {
        const late = h("canvas", { width: 52, height: 30, style: { width: "26px", height: "15px" },
            "aria-hidden": "true" });
        this.lateSwatch = late;
        return h("div", { class: "legend", role: "group", "aria-label": "Models; press one to see only its runs" },
            this.report.models.map((model, i) => h("button",
                { type: "button", "aria-pressed": "false", onclick: (e) => {
                this.only = this.only === i ? null : i;
                for (const b of e.currentTarget.parentNode.querySelectorAll("button")) {
                    b.setAttribute("aria-pressed", "false");
                }
                e.currentTarget.setAttribute("aria-pressed", String(this.only === i));
                this.draw();
            } }, swatch(i), model)),
            this.report.deadline.size > 0 && h("span", { class: "lateness" }, late, "finished after its deadline"));
    }

    // Lays out the panels for the policies chosen; the view stays, so that policies can be flipped through.
    show() {
        const names = this.beside && this.beside !== this.shown ? [this.shown, this.beside] : [this.shown];
        this.panels = names.map((name, i) => this.panel(name, i));
        this.extent = Math.max(...this.panels.map((p) => p.data.span));
        this.stage.replaceChildren(...this.panels.map((p) => p.element));
        this.look(this.view.t0, this.view.t1);
    }

    start() {
        this.show();
        this.look(0, this.extent * Math.min(1, BARS_AT_FIRST / this.panels[0].data.typical));
    }

    panel(name, index) {
        const runs = this.runsOf(name), run = runs.find((r) => r.round === this.round) || runs[0];
        const data = prepare(run), { emulated } = this.report, { seconds } = this.report.data.workload;
        const canvas = h("canvas", { tabindex: "0", role: "img", "aria-describedby": "timeline-keys",
            "data-policy": name,
            "aria-label": `Timeline of ${name}: ${data.tracks.map((t) => `${this.called(t)}, `
                + `${plural(t.runs.length, "run")}, ${number(t.late)} late`).join("; ")}` });
        const labels = data.tracks.map((t) => {
            const facts = [plural(t.runs.length, "run"), t.late ? `${number(t.late)} late` : null,
                t.lanes.length === 1 && `busy ${percent(Math.min(1, t.busy / data.span))}`].filter(Boolean);
            return h("div", { class: "track", style: { top: `${t.y - LABEL}px` } }, h("b", null, t.name),
                emulated.has(t.processor) && emulatedBadge(), h("span", { class: "muted" }, facts.join(" \u00b7 ")));
        });
        const panel = { name, run, data, canvas, index, chosen: null, pointers: new Map(),
            element: h("div", { class: "panel" },
            h("h3", null, name, h("span", { class: "load" },
                this.report.data.simulation ? `${number(data.span / 1000)} s`
                    : `round ${number(run.round)}, ${number(data.span / 1000)} s`,
                seconds > data.span / 950 && ` of ${number(seconds)} s`)),
            h("div", { class: "lanes", style: { height: `${data.height}px` } }, canvas, labels)) };
        canvas.style.height = `${data.height}px`;
        this.listen(panel);
        return panel;
    }

    called(track) {
        return this.report.emulated.has(track.processor) ? `${track.name} (emulated)` : track.name;
    }

    listen(panel) {
        const { canvas } = panel;
        canvas.addEventListener("wheel", (e) => {
            // Who scrolls the page past a timeline is not zooming; who already sees all is scrolling on.
            const whole = this.view.t1 - this.view.t0 >= this.extent;
            const sideways = Math.abs(e.deltaX) > Math.abs(e.deltaY);
            if (performance.now() - this.scrolled < 300 || (whole && e.deltaY > 0 && !sideways)) return;
            e.preventDefault();
            const unit = e.deltaMode === 1 ? 16 : 1;
            if (sideways) this.pan(e.deltaX * unit / canvas.clientWidth);
            else this.zoom(Math.exp(clamp(e.deltaY * unit, -300, 300) * 0.0025), this.timeAt(panel, e));
        }, { passive: false });
        canvas.addEventListener("pointerdown", (e) => {
            canvas.setPointerCapture(e.pointerId);
            panel.pointers.set(e.pointerId, e.clientX);
        });
        canvas.addEventListener("pointermove", (e) => this.moved(panel, e));
        for (const end of ["pointerup", "pointercancel"]) {
            canvas.addEventListener(end, (e) => {
                panel.pointers.delete(e.pointerId);
                canvas.classList.remove("dragging");
            });
        }
        canvas.addEventListener("pointerleave", () => {
            if (panel.pointers.size) return;
            panel.hover = null;
            hideTip();
            this.redraw();
        });
        canvas.addEventListener("dblclick", (e) => this.zoom(0.4, this.timeAt(panel, e)));
        canvas.addEventListener("keydown", (e) => this.key(panel, e));
        canvas.addEventListener("blur", () => { panel.chosen = null; hideTip(); this.redraw(); });
    }

    moved(panel, e) {
        const before = panel.pointers.get(e.pointerId), width = panel.canvas.clientWidth;
        if (before === undefined) return this.hover(panel, e);
        panel.canvas.classList.add("dragging");
        hideTip();
        const others = [...panel.pointers].filter(([id]) => id !== e.pointerId).map(([, x]) => x);
        panel.pointers.set(e.pointerId, e.clientX);
        if (!others.length) return this.pan((before - e.clientX) / width);
        const gap = (x) => Math.max(20, Math.abs(x - others[0]));
        return this.zoom(gap(before) / gap(e.clientX), this.timeAt(panel, { clientX: (e.clientX + others[0]) / 2 }));
    }

    timeAt(panel, e) {
        const box = panel.canvas.getBoundingClientRect();
        return this.view.t0 + (this.view.t1 - this.view.t0) * (e.clientX - box.left) / box.width;
    }

    hit(panel, e) {
        const y = e.clientY - panel.canvas.getBoundingClientRect().top, t = this.timeAt(panel, e);
        const slack = 2 * (this.view.t1 - this.view.t0) / panel.canvas.clientWidth;
        for (const track of panel.data.tracks) {
            const lane = track.lanes[Math.floor((y - track.y) / track.laneHeight)];
            if (!lane || y < track.y) continue;
            const run = lane[firstAfter(lane, t - slack)];
            if (run && run.start <= t + slack) return { track, run };
        }
        return null;
    }

    hover(panel, e) {
        const found = this.hit(panel, e);
        panel.hover = found?.run || null;
        if (found) this.describe(found, e.clientX, e.clientY); else hideTip();
        this.redraw();
    }

    describe({ track, run }, x, y) {
        const name = this.report.models[run.model] ?? `model ${run.model}`;
        showTip(x, y, h("b", null, name),
            `${this.called(track)}, batch ${run.batch}`,
            h("br"), `starts at ${run.start.toFixed(2)} ms, takes ${figure(run.end - run.start)} ms`,
            ...(run.late ? [h("br"), h("span", { class: "late" }, "late: finished after its deadline")] : []));
    }

    key(panel, e) {
        if (e.ctrlKey || e.metaKey || e.altKey) return;
        const acts = {
            ArrowLeft: () => this.pan(-0.15), ArrowRight: () => this.pan(0.15),
            "+": () => this.zoom(0.6), "=": () => this.zoom(0.6), "-": () => this.zoom(1 / 0.6),
            0: () => this.look(0, Infinity), Home: () => this.look(0, this.view.t1 - this.view.t0),
            End: () => this.look(this.extent - (this.view.t1 - this.view.t0), this.extent),
            ArrowUp: () => this.choose(panel, -1, 0), ArrowDown: () => this.choose(panel, 1, 0),
            ",": () => this.choose(panel, 0, -1), ".": () => this.choose(panel, 0, 1),
            l: () => this.choose(panel, 0, 1, true), L: () => this.choose(panel, 0, 1, true),
            Escape: () => { panel.chosen = null; hideTip(); this.redraw(); },
        };
        if (!Object.hasOwn(acts, e.key)) return;
        e.preventDefault();
        acts[e.key]();
    }

    // Moves the keyboard's choice by tracks or by runs, brings it into view and says what it is.
    choose(panel, tracks, runs, lateOnly) {
        const all = panel.data.tracks.filter((t) => (lateOnly ? t.late : t.runs.length));
        if (!all.length) return;
        const old = panel.chosen, middle = (this.view.t0 + this.view.t1) / 2;
        const at = clamp((old ? Math.max(0, all.indexOf(old.track)) : 0) + tracks, 0, all.length - 1);
        const track = all[at], from = track.runs;
        let i = old && old.track === track ? from.indexOf(old.run) + runs
            : from.findIndex((r) => r.end >= (old ? old.run.start : this.view.t0 || 0));
        if (!old && !runs) i = from.findIndex((r) => r.end >= middle);
        if (i < 0) i = runs < 0 ? 0 : from.length - 1;
        if (lateOnly) {
            while (i < from.length && !from[i].late) i++;
            if (i >= from.length) i = from.findIndex((r) => r.late);
        }
        const run = from[clamp(i, 0, from.length - 1)];
        panel.chosen = { track, run };
        const span = this.view.t1 - this.view.t0;
        if (run.start < this.view.t0 || run.end > this.view.t1) this.look(run.start - span / 2, run.start + span / 2);
        const box = panel.canvas.getBoundingClientRect();
        this.describe(panel.chosen, box.left + box.width * (run.end - this.view.t0) / (this.view.t1 - this.view.t0),
            box.top + track.y + 20);
        this.redraw();
    }

    look(t0, t1) {
        const span = clamp(t1 - t0, Math.min(SPAN_MIN, this.extent), this.extent);
        const start = clamp(t0, 0, this.extent - span);
        this.view = { t0: start, t1: start + span };
        this.redraw();
    }
    zoom(factor, about = (this.view.t0 + this.view.t1) / 2) {
        const { t0, t1 } = this.view, span = clamp((t1 - t0) * factor, Math.min(SPAN_MIN, this.extent), this.extent);
        const start = about - (about - t0) * span / (t1 - t0);
        this.look(start, start + span);
    }
    pan(share) {
        const { t0, t1 } = this.view;
        this.look(t0 + share * (t1 - t0), t1 + share * (t1 - t0));
    }
    seek(e) {
        const box = this.overview.getBoundingClientRect(), half = (this.view.t1 - this.view.t0) / 2;
        const t = (e.clientX - box.left) / box.width * this.extent;
        this.look(t - half, t + half);
    }

    redraw() {
        if (this.queued) return;
        this.queued = true;
        requestAnimationFrame(() => { this.queued = false; this.draw(); });
    }

    draw() {
        if (!this.panels.length) return;
        if (!this.colours) {
            const style = getComputedStyle(document.documentElement);
            this.colours = Object.fromEntries(["ink", "muted", "line", "soft", "paper", "late", "accent", "plain"]
                .map((k) => [k, style.getPropertyValue(`--${k}`).trim()]));
            this.overviewOf = null;
        }
        this.drawOverview();
        for (const panel of this.panels) this.drawPanel(panel);
    }

    surface(canvas, height) {
        const scale = this.paper ? 2 : devicePixelRatio || 1, width = this.paper || canvas.clientWidth;
        if (canvas.width !== Math.round(width * scale) || canvas.height !== Math.round(height * scale)) {
            canvas.width = Math.round(width * scale);
            canvas.height = Math.round(height * scale);
        }
        const c = canvas.getContext("2d");
        c.setTransform(scale, 0, 0, scale, 0, 0);
        c.clearRect(0, 0, width, height);
        return { c, width };
    }

    drawPanel(panel) {
        const { c, width } = this.surface(panel.canvas, panel.data.height);
        const { t0, t1 } = this.view, { colours } = this, x = (t) => (t - t0) / (t1 - t0) * width;
        c.font = `12px ${getComputedStyle(document.body).fontFamily}`;
        c.textBaseline = "middle";
        for (const track of panel.data.tracks) {
            c.fillStyle = colours.soft;
            c.fillRect(0, track.y, width, track.lanes.length * track.laneHeight);
        }
        const { ticks, step } = timeTicks(t0, t1, width / 110);
        c.fillStyle = colours.line;
        for (const t of ticks) c.fillRect(Math.round(x(t)), 17, 1, panel.data.height - 17);
        c.fillStyle = colours.muted;
        for (const t of ticks) {
            const text = timeText(t, step, t1), half = c.measureText(text).width / 2;
            if (x(t) + half <= width) c.fillText(text, Math.max(0, x(t) - half), 8);
        }
        for (const track of panel.data.tracks) {
            track.lanes.forEach((lane, k) => this.drawLane(c, panel, lane, track.y + k * track.laneHeight,
                track.laneHeight, x, width));
        }
        if (panel.data.span < t1) {
            c.fillStyle = colours.paper;
            c.fillRect(x(panel.data.span), AXIS, width, panel.data.height);
        }
    }

    drawLane(c, panel, lane, y, height, x, width) {
        let painted = -1;
        const top = y + 2, tall = height - 4;
        for (let i = firstAfter(lane, this.view.t0); i < lane.length && lane[i].start <= this.view.t1; i++) {
            const run = lane[i], left = Math.max(-4, x(run.start)), right = Math.min(width + 4, x(run.end));
            const wide = Math.max(1, right - left - (right - left > 4 ? 1 : 0));
            if (right < painted && !run.late) continue;
            painted = Math.floor(left) + 1;
            c.globalAlpha = this.only !== null && this.only !== run.model ? 0.13 : 1;
            c.fillStyle = wide > 5 ? this.pattern(c, run.model) : hue(run.model);
            c.fillRect(left, top, wide, tall);
            if (wide > 13) this.label(c, run, left, wide, top, tall);
            if (run.late) this.drawLate(c, left, wide, top, tall);
            if (run === panel.hover || run === panel.chosen?.run) {
                c.strokeStyle = this.colours.ink;
                c.lineWidth = 2;
                c.strokeRect(left, top, wide, tall);
            }
        }
        c.globalAlpha = 1;
    }

    // Red alone would be lost in greyscale, so the mark also has a shape: a bar cut off by a dark line and a flag.
    drawLate(c, left, wide, top, tall) {
        c.fillStyle = this.colours.paper;
        c.fillRect(left, top + tall - 6, wide, 1.5);
        c.fillStyle = this.colours.late;
        c.fillRect(left, top + tall - 4.5, wide, 4.5);
        if (wide < 8) return;
        c.beginPath();
        c.moveTo(left + wide, top);
        c.lineTo(left + wide - 8, top);
        c.lineTo(left + wide, top + 8);
        c.fill();
    }

    pattern(c, model) {
        this.patterns ||= new Map();
        if (!this.patterns.has(model)) this.patterns.set(model, c.createPattern(patternTile(model), "repeat"));
        return this.patterns.get(model);
    }

    label(c, run, left, wide, top, tall) {
        const batch = run.batch > 1 ? `\u00d7${run.batch}` : "";
        const name = this.report.models[run.model] ?? "";
        let text = batch ? `${name} ${batch}` : name;
        if (c.measureText(text).width > wide - 10) text = batch;
        if (!text) return;
        const w = c.measureText(text).width;
        if (w > wide - 4) return;
        const from = Math.max(left, 0) + 4;
        if (from + w > left + wide) return;
        c.fillStyle = hue(run.model);
        c.fillRect(from - 2, top + 1, w + 4, tall - 2);
        c.fillStyle = inkOn(run.model);
        c.fillText(text, from, top + tall / 2 + 0.5);
    }

    // How much of each moment each model had, over the whole run of the first panel; drawn once, then blitted.
    drawOverview() {
        const { c, width } = this.surface(this.overview, 44), { data } = this.panels[0], { colours } = this;
        const key = `${width} ${this.extent} ${this.only}`;
        if (this.overviewOf !== data || this.overviewKey !== key) this.paintOverview(data, width);
        this.overviewOf = data;
        this.overviewKey = key;
        c.drawImage(this.overviewImage, 0, 0, width, 44);
        const x0 = this.view.t0 / this.extent * width, x1 = Math.max(x0 + 3, this.view.t1 / this.extent * width);
        c.globalAlpha = 0.62;
        c.fillStyle = colours.paper;
        c.fillRect(0, 0, x0, 44);
        c.fillRect(x1, 0, width - x1, 44);
        c.globalAlpha = 1;
        c.strokeStyle = colours.ink;
        c.lineWidth = 2;
        c.strokeRect(x0 + 1, 1, Math.max(1, x1 - x0 - 2), 42);
        const s = this.lateSwatch.getContext("2d");
        s.setTransform(2, 0, 0, 2, 0, 0);
        s.fillStyle = colours.muted;
        s.fillRect(0, 0, 26, 15);
        this.drawLate(s, 0, 26, 0, 15);
    }

    paintOverview(data, width) {
        const bins = Math.max(1, Math.ceil(width / 2)), models = Math.max(1, this.report.models.length),
            perBin = this.extent / bins;
        const busy = new Float64Array(bins * models), late = new Uint8Array(bins);
        for (const track of data.tracks) for (const run of track.runs) {
            const first = clamp(Math.floor(run.start / perBin), 0, bins - 1),
                last = clamp(Math.floor(run.end / perBin), 0, bins - 1);
            for (let i = first; i <= last; i++) {
                busy[i * models + run.model] += Math.max(0,
                    Math.min(run.end, (i + 1) * perBin) - Math.max(run.start, i * perBin));
            }
            if (run.late && (this.only === null || this.only === run.model)) late[last] = 1;
        }
        let most = perBin;
        for (let i = 0; i < bins; i++) {
            most = Math.max(most, busy.subarray(i * models, (i + 1) * models).reduce((a, b) => a + b, 0));
        }
        this.overviewImage = h("canvas", { width: bins * 2, height: 44 });
        const c = this.overviewImage.getContext("2d");
        c.fillStyle = this.colours.soft;
        c.fillRect(0, 0, bins * 2, 44);
        for (let i = 0; i < bins; i++) {
            let y = 44;
            for (let m = 0; m < models; m++) {
                const tall = busy[i * models + m] / most * 36;
                c.globalAlpha = this.only !== null && this.only !== m ? 0.13 : 1;
                c.fillStyle = hue(m);
                c.fillRect(i * 2, y - tall, 2, tall);
                y -= tall;
            }
            c.globalAlpha = 1;
            c.fillStyle = this.colours.late;
            if (late[i]) c.fillRect(i * 2, 0, 2, 5);
        }
    }
}
