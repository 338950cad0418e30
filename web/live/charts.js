// Three minutes of history by uPlot. One chart is drawn per frame, twice a second each, so that the timeline flows on.
// Below each stands in words what it shows now, or where the pointer is: nobody has to match twenty colours.
import { h, figure, rate, percent } from "./base.js";
import { theme, lineColour, lineDash } from "./colours.js";

const HEIGHT = 170;
const NAMED = 4; // series named below a chart
const { uPlot } = globalThis;

const fixed = (colour) => () => theme[colour];

// Of a logarithmic axis only the powers of ten: lines in between would outnumber what is drawn.
const powers = (u, splits) => splits.map((s) => (s > 0 && Number.isInteger(Number(Math.log10(s).toFixed(6))) ? s : null));

function axis(kind, size, values) {
    const filter = kind === "log" ? { filter: powers } : {};
    return { stroke: fixed("muted"), grid: { stroke: fixed("line"), width: 1, ...filter }, ...filter,
        ticks: { stroke: fixed("line"), size: 4, ...filter }, font: "11px system-ui, sans-serif", size, gap: 4, values };
}

class Chart {
    // data(): [time, ...series]; series: [{ label, index | colour, value }]
    constructor({ id, title, unit, series, data, log, max, say, view }) {
        Object.assign(this, { id, series, data, say, view, unit });
        this.words = h("p", { class: "words small" });
        this.box = h("div", { class: "plot", role: "img", "aria-label": title });
        this.element = h("figure", { class: "card chart", id }, h("h3", null, title, unit ? h("span", { class: "muted" },
            ` ${unit}`) : null), this.box, h("figcaption", null, this.words));
        this.options = { log, max };
    }

    mount() {
        const { log, max } = this.options;
        const lines = this.series.map((s) => ({ label: s.label, points: { show: false }, spanGaps: false,
            width: s.width ?? 1.5, dash: s.index === undefined ? s.dash : lineDash(s.index),
            stroke: () => this.colourOf(s), fill: s.fill ? () => `${theme[s.colour]}22` : undefined,
        }));
        const y = log ? { distr: 3, range: (u, low, high) => [10 ** Math.floor(Math.log10(Math.max(low || 0.1, 1e-3))),
            10 ** Math.ceil(Math.log10(Math.max(high || 1, 1e-2)) + 1e-9)] }
            : { range: (u, low, high) => [0, max ?? Math.max(high * 1.1 || 1, 1)] };
        this.plot = new uPlot({
            width: this.box.clientWidth || 400, height: HEIGHT, series: [{}, ...lines], legend: { show: false },
            scales: { x: { time: true, range: (u, low, high) => [Math.min(low, high - 60), high] }, y },
            axes: [axis("x", 22, (u, splits) => splits.map((s) => new Date(s * 1000).toTimeString().slice(0, 8))),
                axis(log ? "log" : "y", 46, (u, splits) =>
                    splits.map((s) => (s === null ? "" : Number(s.toPrecision(3)).toString())))],
            cursor: { points: { size: 5 }, drag: { x: false, y: false }, focus: { prox: 16 } },
            focus: { alpha: 0.3 },
            hooks: { setCursor: [(u) => this.speak(u.cursor.idx)] },
        }, this.data(), this.box);
        new ResizeObserver(() => this.plot.setSize({ width: this.box.clientWidth, height: HEIGHT })).observe(this.box);
    }

    colourOf(s) {
        const colour = s.index === undefined ? theme[s.colour] : lineColour(s.index);
        const { selected } = this.view;
        return s.model === undefined || selected === null || selected === s.model ? colour : `${colour}2e`;
    }

    draw() {
        this.plot.setData(this.data());
        if (this.plot.cursor.left === undefined || this.plot.cursor.left < 0) this.speak(null);
    }

    // The greatest first; of a chosen model only that.
    speak(at) {
        const data = this.plot.data, i = at ?? data[0].length - 1;
        const when = at === null || at === undefined ? "now" : new Date(data[0][i] * 1000).toTimeString().slice(0, 8);
        const { selected } = this.view;
        const all = this.series.map((s, k) => ({ s, v: data[k + 1]?.[i] })).filter(({ s, v }) =>
            v !== null && v !== undefined && (s.model === undefined || selected === null || s.model === selected));
        if (this.series.length > 3) all.sort((a, b) => b.v - a.v);
        const named = all.slice(0, NAMED).filter(({ v }) => v > 0 || this.series.length <= 3);
        this.words.replaceChildren(h("span", { class: "muted" }, `${when}: `), ...named.map(({ s, v }, k) =>
            [k ? "  " : "", h("span", { class: "value" }, h("i", { class: "dash", style: { background: this.colourOf(s) } }),
                `${s.label}\u00a0`, h("b", null, this.say(v)))]).flat(), named.length ? "" : "nothing",
        all.length > NAMED && named.length === NAMED
            ? h("span", { class: "muted" }, ` and ${all.length - NAMED} more`) : "");
    }
}

export class Charts {
    constructor(state, view, parent) {
        this.state = state;
        this.view = view;
        this.parent = parent;
        this.all = [];
        this.queue = [];
    }

    begin() {
        for (const chart of this.all) chart.plot?.destroy();
        const { state, view } = this, { hello, history } = state;
        const models = hello.models.map((m, i) => ({ label: m.name, index: i, model: i }));
        const shown = hello.processors.map((p, i) => i).filter((i) => !hello.processors[i].background);
        const processors = shown.map((i, k) => ({ label: hello.processors[i].name, index: k }));
        const make = (of) => new Chart({ view, ...of });
        this.all = [
            make({ id: "chart-answered", title: "Answered", unit: "a second", say: rate,
                series: [{ label: "answered", colour: "accent", fill: true, width: 2 },
                    { label: "late", colour: "late" }, { label: "failed or dropped", colour: "late", dash: [4, 3] }],
                data: () => [history.time, history.answered, history.late, history.failed] }),
            make({ id: "chart-p99", title: "Latency, p99", unit: "ms, of the last 10 s", log: true,
                series: models, say: (v) => `${figure(v)} ms`, data: () => [history.time, ...history.p99] }),
            make({ id: "chart-waiting", title: "Waiting", unit: "requests", series: models, say: figure,
                data: () => [history.time, ...history.waiting] }),
            make({ id: "chart-busy", title: "Processors busy", unit: "%", max: 100, series: processors,
                say: (v) => percent(v / 100), data: () => [history.time, ...shown.map((i) => history.busy[i])] }),
        ];
        this.power = make({ id: "chart-power", title: "Power", unit: "W", say: (v) => `${figure(v)} W`,
            series: [{ label: "power", colour: "good", fill: true, width: 2 }], data: () => [history.time, history.power] });
        this.parent.replaceChildren(...this.all.map((c) => c.element));
        for (const chart of this.all) chart.mount();
    }

    // There may be no sensor and no table that says it.
    addPower() {
        if (!this.power || this.state.power().watts === null) return;
        this.parent.append(this.power.element);
        this.power.mount();
        this.all.push(this.power);
        this.power = null;
    }

    ask() {
        if (this.queue.length) return;
        this.addPower();
        this.queue = [...this.all];
    }

    drawOne() {
        this.queue.shift()?.draw();
    }

    restyle() {
        for (const chart of this.all) chart.plot.redraw(false);
    }
}
