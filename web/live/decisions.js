// The last decisions: what was started where, what was expected of it and came of it, and what else could have been done.
import { $, h, ms, percent, clockTime } from "./base.js";
import { swatch } from "./colours.js";

const SHOWN = 12;

export class Decisions {
    constructor(state) {
        this.state = state;
    }

    begin() {
        const heads = ["When", "Decision", "Had waited", "Expected", "Took", "Instead of"];
        this.body = h("tbody");
        $("decisions").replaceChildren(h("caption", { class: "hidden-text" }, "The newest decision first"),
            h("thead", null, h("tr", null, heads.map((t) => h("th", { scope: "col" }, t)))), this.body);
        this.newest = 0;
    }

    model(index) { return this.state.hello.models[index]?.name ?? "?"; }
    processor(index) { return this.state.hello.processors[index]?.name ?? "?"; }

    // "cpu1, 4.2 ms" and what speaks for it.
    option(o, model) {
        if (o.processor < 0) return h("span", { class: "option" }, "waiting", this.preference(o));
        const other = o.model !== model ? `${this.model(o.model)} on ` : "";
        const times = o.batch > 1 ? ` \u00d7${o.batch}` : "";
        const when = o.free_ms > 0 ? `free in ${ms(o.free_ms)}, then ${ms(o.expected_ms)}` : ms(o.expected_ms);
        return h("span", { class: "option" }, `${other}${this.processor(o.processor)}${times}: ${when}`,
            this.preference(o));
    }

    preference(o) {
        return o.preference === undefined || o.preference < 0.001 ? null
            : h("span", { class: "muted" }, ` (${percent(o.preference)})`);
    }

    row(d) {
        const { chosen } = d, waits = chosen.processor < 0;
        const at = new Date(this.state.hello.started_unix_ms + d.t_ms);
        const took = this.state.took.get(d.number);
        const over = took !== undefined && took > 1.5 * chosen.expected_ms && took - chosen.expected_ms > 1;
        const what = waits ? [h("b", null, "wait"), d.times > 1 ? ` \u00d7${d.times}` : ""]
            : [swatch(chosen.model), h("b", null, this.model(chosen.model)),
                chosen.batch > 1 ? ` \u00d7${chosen.batch}` : "", " \u2192 ", this.processor(chosen.processor)];
        const cell = (label, ...content) => h("td", { "data-label": label }, content);
        return h("tr", null,
            cell("When", `${clockTime(at)}.${String(at.getMilliseconds()).padStart(3, "0")}`),
            h("th", { scope: "row" }, what, this.preference(chosen)),
            cell("Had waited", waits ? "\u2013" : ms(d.waited_ms),
                d.left ? h("span", { class: "muted" }, ` ${d.left} left`) : ""),
            cell("Expected", waits ? "\u2013" : ms(chosen.expected_ms)),
            h("td", { "data-label": "Took", class: over ? "late" : null },
                waits ? "\u2013" : took === undefined ? "\u2026" : ms(took)),
            h("td", { "data-label": "Instead of", class: "wide" }, d.others.length
                ? d.others.map((o) => this.option(o, chosen.model))
                : h("span", { class: "muted" }, "nothing else could be done")));
    }

    // Waiting is decided again with every event: of waits for the same model the newest is enough.
    chosen(all) {
        const shown = [], waits = new Set();
        for (let i = all.length - 1; i >= 0 && shown.length < SHOWN; i--) {
            const d = all[i], model = d.others[0]?.model;
            if (d.chosen.processor < 0) {
                if (waits.has(model)) continue;
                waits.add(model);
            }
            shown.push(d);
        }
        return shown;
    }

    update() {
        const { state } = this, all = state.decisions;
        const scored = all.some((d) => d.chosen.preference !== undefined);
        $("decisions-note").textContent = scored
            ? "Per cent: the policy's preference among all that could be started; below 0.1 % it is left out."
            : "Times are by the table of costs; a processor that is busy has to become free first.";
        if (!all.length || all.at(-1).number === this.newest) return;
        this.newest = all.at(-1).number;
        this.body.replaceChildren(...this.chosen(all).map((d) => this.row(d)));
    }
}
