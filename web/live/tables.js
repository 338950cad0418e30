// Models and processors in figures: real tables, with captions, that stay where they are while their cells change.
import { $, h, say, figure, count, ms, rate, percent } from "./base.js";
import { swatch } from "./colours.js";

// Key, heading, explanation, heading where there is little room. What is not a number sorts last.
const MODELS = [
    ["name", "Model", "Order of loading"], ["waiting", "Waiting", "Requests that wait now"],
    ["rate", "Answered /s", "Answered a second, mean of the last 2 s", "/s"],
    ["batch", "Batch", "Requests per run since the start"],
    ["p50", "p50", "Half of the answers of the last 10 s took at most this"],
    ["p95", "p95", "95 % of them took at most this"], ["p99", "p99", "99 % of them took at most this"],
    ["miss", "Missed now", "Part of the deadlines of the last 2 s that were missed, dropped requests included",
        "Missed"],
    ["missed", "Missed in all", "Missed of all deadlines since the start", "In all"],
    ["failed", "Failed", "Failed requests since the start"],
];

export class Tables {
    constructor(state, view) {
        this.state = state;
        this.view = view;
        this.sort = { key: "name", down: false };
    }

    begin() {
        const { hello } = this.state;
        this.heads = MODELS.map(([key, text, title]) => h("th", { scope: "col", title, "aria-sort": "none" },
            h("button", { type: "button", class: "sort", onclick: () => this.sortBy(key) }, text)));
        this.rows = hello.models.map((m, i) => {
            const name = m.version > 1 ? `${m.name} v${m.version}` : m.name;
            const cells = MODELS.slice(1).map(([, text, , short]) => h("td", { "data-label": short ?? text }, "\u2013"));
            const head = h("th", { scope: "row" }, h("button", { type: "button", class: "name", "aria-pressed": "false",
                "data-model": i, onclick: () => this.view.select(i) }, swatch(i), h("span", null, name)));
            return { index: i, cells, element: h("tr", null, head, cells), values: {} };
        });
        this.body = h("tbody", null, this.rows.map((r) => r.element));
        $("models").replaceChildren(h("caption", { class: "hidden-text" },
            "What waits, how fast each model is served, and the deadlines it missed"),
        h("thead", null, h("tr", null, this.heads)), this.body);
        this.beginProcessors();
        this.showSort();
    }

    beginProcessors() {
        const heads = ["Processor", "Runs now", "Busy", "Runs /s", "Failures", "What it is"];
        this.processors = this.state.hello.processors.map((p, i) => {
            const cells = heads.slice(1).map((text) => h("td", { "data-label": text }, "\u2013"));
            cells.at(-1).className = "wide muted";
            cells.at(-1).textContent = p.description;
            return { index: i, cells, element: h("tr", null, h("th", { scope: "row" }, p.name), cells) };
        });
        $("processors").replaceChildren(h("caption", { class: "hidden-text" }, "What each processor does"),
            h("thead", null, h("tr", null, heads.map((t) => h("th", { scope: "col" }, t)))),
            h("tbody", null, this.processors.map((r) => r.element)));
    }

    sortBy(key) {
        this.sort = { key, down: this.sort.key === key ? !this.sort.down : key !== "name" };
        this.showSort();
        this.arrange();
    }

    showSort() {
        MODELS.forEach(([key], i) => this.heads[i].setAttribute("aria-sort",
            key !== this.sort.key ? "none" : this.sort.down ? "descending" : "ascending"));
    }

    // Moves rows only when their order has changed: who has the focus in one keeps it.
    arrange() {
        const { key, down } = this.sort;
        const value = (r) => (key === "name" ? r.index : r.values[key]);
        const known = (r) => typeof value(r) === "number";
        const order = [...this.rows].sort((a, b) => (known(b) - known(a)) ||
            (known(a) ? (down ? -1 : 1) * (value(a) - value(b)) : 0) || a.index - b.index);
        if (order.some((r, i) => this.body.children[i] !== r.element)) {
            const focused = document.activeElement;
            this.body.replaceChildren(...order.map((r) => r.element));
            if (this.body.contains(focused)) focused.focus();
        }
    }

    update() {
        const { state } = this, { last, m } = state;
        if (!last) return;
        for (const row of this.rows) {
            const c = last.models[row.index];
            if (!c) continue;
            const due = c[m.with_deadline], missed = c[m.late] + c[m.dropped], miss = state.missShare(row.index);
            const v = row.values = { waiting: c[m.waiting], rate: state.modelRate(row.index, "completed"),
                batch: c[m.runs] ? c[m.completed] / c[m.runs] : null, p50: c[m.p50_ms], p95: c[m.p95_ms], p99: c[m.p99_ms],
                miss, missed: due ? missed : null, failed: c[m.failed] };
            const texts = [count(v.waiting), rate(v.rate), figure(v.batch), ms(v.p50), ms(v.p95), ms(v.p99), percent(v.miss),
                due ? `${count(missed)} of ${count(due)}` : "\u2013", count(v.failed)];
            texts.forEach((text, i) => say(row.cells[i], text));
            row.cells[6].classList.toggle("late", miss > 0.001);
            row.cells[8].classList.toggle("late", v.failed > 0);
            row.element.classList.toggle("idle", !v.waiting && !v.rate);
        }
        if (this.sort.key !== "name") this.arrange();
        this.updateProcessors();
    }

    updateProcessors() {
        const { state } = this, { last, p, hello } = state;
        for (const row of this.processors) {
            const c = last.processors[row.index], model = hello.models[c[p.model]];
            const now = !c[p.available] ? "out: tried again soon" : !model ? "idle"
                : model.name + (c[p.batch] > 1 ? ` \u00d7${c[p.batch]}` : "");
            row.element.hidden = !state.used(row.index);
            [now, percent(state.busyShare(row.index)), rate(state.processorRate(row.index, "runs")), count(c[p.failures])]
                .forEach((text, i) => say(row.cells[i], text));
            row.cells[0].classList.toggle("late", !c[p.available]);
            row.cells[3].classList.toggle("late", c[p.failures] > 0);
        }
    }
}
