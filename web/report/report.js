// Draws a benchmark report from the JSON in #data. Every text from the data enters the page as a text node or an
// attribute, never as markup: names of models and policies are somebody's file names.
"use strict";
(() => {

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

// ---- What the runs say --------------------------------------------------------------------------------------------

const MISS_LIMIT = 0.01; // chosen: a stream that misses more than 1 % of its deadlines is not well served

function mergeHistograms(runs, model) {
    const merged = new Map();
    for (const run of runs) {
        for (const [upper, count] of list(run.models?.[model]?.histogram)) {
            if (upper > 0 && count > 0) merged.set(upper, (merged.get(upper) || 0) + count);
        }
    }
    return [...merged].sort((a, b) => a[0] - b[0]);
}

function analysePolicy(name, data, models, about) {
    const runs = data.runs.filter((r) => r.policy === name);
    const of = (pick) => spread(runs.map(pick));
    const perModel = new Map();
    for (const model of models) {
        const get = (key) => of((r) => r.models?.[model]?.[key]);
        // Of a run in which a model got no answer there is no latency, whatever number stands there.
        const time = (key) => of((r) => (r.models?.[model]?.completed > 0 ? r.models[model][key] : null));
        perModel.set(model, {
            rps: get("rps"), mean: time("mean_ms"), p50: time("p50_ms"), p95: time("p95_ms"), p99: time("p99_ms"),
            miss: get("deadline_miss_rate"), histogram: mergeHistograms(runs, model),
        });
    }
    const closed = list(data.workload.streams).filter((s) => s.kind === "closed" && data.alone[s.model] > 0)
        .map((s) => s.model);
    const emulated = data.processors.filter((p) => p.emulated && runs.some((r) => r.processors?.[p.name]?.runs > 0));
    return {
        name, runs, perModel, emulated, summary: about?.summary || "", baseline: Boolean(about?.baseline),
        normalized: of((r) => r.normalized_throughput), throughput: of((r) => r.throughput_rps),
        cpu: of((r) => r.cpu_seconds), energy: of((r) => r.energy_j),
        // Of each run the stream that misses most: an average over streams would hide the one that starves.
        miss: of((r) => greatest(models.map((m) => r.models?.[m]?.deadline_miss_rate))),
        // Likewise of the models that take whatever they get: much work in all can hide that one got nothing.
        least: closed.length < 2 ? null : of((r) => least(closed.map((m) => r.models?.[m]?.rps / data.alone[m]))),
        failed: runs.reduce((sum, r) => sum + models.reduce((n, m) => n + (r.models?.[m]?.failed || 0), 0), 0),
    };
}

// Keeps to the limit first, then most work; if none keeps to it, fewest misses.
function rank(a, b) {
    const kept = (p) => (p.miss === null || p.miss.median <= MISS_LIMIT ? 1 : 0);
    if (kept(a) !== kept(b)) return kept(b) - kept(a);
    if (!kept(a) && a.miss.median !== b.miss.median) return a.miss.median - b.miss.median;
    return (b.normalized?.median ?? -1) - (a.normalized?.median ?? -1);
}

function analyse(raw) {
    const data = {
        ...raw, runs: list(raw.runs).filter((r) => r && typeof r === "object"), processors: list(raw.processors),
        policies: list(raw.policies), profile: list(raw.profile), notes: list(raw.notes), alone: raw.alone || {},
        workload: raw.workload || {}, machine: raw.machine || {},
    };
    const models = [...new Set([...list(data.model_order), ...data.runs.flatMap((r) => Object.keys(r.models || {}))])];
    const names = [...new Set([...data.policies.map((p) => p.name), ...data.runs.map((r) => r.policy)])];
    const policies = names.map((n) => analysePolicy(n, data, models, data.policies.find((p) => p.name === n)))
        .filter((p) => p.runs.length);
    policies.sort(rank);
    const streams = list(data.workload.streams);
    const deadline = new Map();
    for (const s of streams) {
        if (isNumber(s.deadline_ms)) deadline.set(s.model, Math.min(s.deadline_ms, deadline.get(s.model) ?? Infinity));
    }
    const tight = models.filter((m) => deadline.has(m)).sort((a, b) => deadline.get(a) - deadline.get(b))[0];
    return {
        data, models, policies, streams, deadline, tight: tight ?? models[0] ?? null, best: policies[0] || null,
        base: policies.find((p) => p.name === "ort-default") || policies.find((p) => p.baseline) || null,
        rounds: Math.max(0, ...policies.map((p) => p.runs.length)),
        emulated: new Set(data.processors.filter((p) => p.emulated).map((p) => p.name)),
    };
}

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

// ---- Tables -------------------------------------------------------------------------------------------------------

const emulatedBadge = () => h("span", { class: "badge emulated",
    title: "This processor does not exist: its runs take the time a table says." }, "emulated");

function policyHead(p, report, long) {
    return h("th", { scope: "row", role: "rowheader", class: "who", "data-value": p.name },
        h("span", { class: "name" }, p.name), " ",
        p === report.best && report.policies.length > 1 && h("span", { class: "badge best" }, "best"), " ",
        p.baseline && h("span", { class: "badge" }, "baseline"), " ",
        long && p.emulated.map((e) => [h("span", { class: "badge emulated" }, `uses emulated ${e.name}`), " "]),
        p.runs.length < report.rounds && h("span", { class: "badge" }, `${p.runs.length} of ${report.rounds} rounds`),
            " ",
        long && p.failed > 0 && h("span", { class: "badge emulated" }, plural(p.failed, "request"), " failed"),
        long && p.summary && h("span", { class: "summary" }, p.summary));
}

const rowClass = (p, report) => [p === report.best ? "best" : "", p.baseline ? "baseline" : ""].join(" ").trim()
    || null;

// The median, the bar if `scale` is given, and the spread below where the rounds differ.
function figureCell(s, format, { label, scale, mark, lead }) {
    const cell = h("td", { role: "cell", "data-label": label, "data-value": s ? s.median : "",
        class: lead ? "lead" : null },
        h("span", { class: "v" }, s ? format(s.median) : "\u2013"));
    if (s && scale > 0) {
        const at = (x) => `${clamp(x / scale, 0, 1) * 100}%`;
        cell.append(h("div", { class: "bar", "aria-hidden": "true" }, h("i", { style: { width: at(s.median) } }),
            s.max > s.min && h("u", { style: { left: at(s.min), width: at(s.max - s.min) } }),
            isNumber(mark) && mark <= scale && h("s", { style: { left: at(mark) } })));
    }
    if (s && format(s.min) !== format(s.max)) cell.append(h("span", { class: "spread" },
        `${format(s.min)} \u2013 ${format(s.max)}`));
    return cell;
}

// Head cells that sort the rows of the table they stand in. Columns: {label, sort: "text"|"up"|"down"|null, wide}.
function head(columns, caption) {
    return [h("caption", { class: "hidden-text" }, caption), h("thead", { role: "rowgroup" },
        h("tr", { role: "row" }, columns.map((c, i) => h("th", { scope: "col", role: "columnheader", class: c.class },
            c.sort ? h("button", { class: "sort", type: "button",
                onclick: (e) => sortBy(e.currentTarget, i, c.sort) }, c.label)
                : c.label))))];
}

function sortBy(button, column, first) {
    const th = button.closest("th");
    const ascending = th.getAttribute("aria-sort") ? th.getAttribute("aria-sort") === "descending" : first !== "down";
    for (const other of th.parentNode.children) other.removeAttribute("aria-sort");
    th.setAttribute("aria-sort", ascending ? "ascending" : "descending");
    const body = th.closest("table").tBodies[0];
    const key = (row) => row.children[column].getAttribute("data-value");
    const rows = [...body.rows].map((row) => ({ row, key: key(row) }));
    rows.sort((a, b) => {
        if (a.key === "" || b.key === "") return (a.key === "" ? 1 : 0) - (b.key === "" ? 1 : 0);
        const order = first === "text" ? a.key.localeCompare(b.key) : Number(a.key) - Number(b.key);
        return ascending ? order : -order;
    });
    body.append(...rows.map((r) => r.row));
}

// Which policies lead a column: within 1 % of its best median (chosen: less is noise), unless all are. `least`:
// smaller is better.
function leaders(policies, pick, least) {
    const v = policies.map((p) => pick(p)?.median).filter(isNumber);
    const best = least ? Math.min(...v) : Math.max(...v);
    const leads = (x) => isNumber(x) && Math.abs(x - best) <= 0.01 * Math.abs(best);
    return v.every(leads) ? () => false : (p) => leads(pick(p)?.median);
}

function overallTable(report) {
    const { policies, tight, deadline } = report;
    const columns = [
        { label: "normalized throughput", pick: (p) => p.normalized, format: figure, bar: true, mark: 1 },
        { label: "deadlines missed, %", pick: (p) => p.miss, format: inPercent, least: true, bar: true,
            mark: MISS_LIMIT },
        { label: `p99 of ${tight}, ms`, short: "p99, ms", pick: (p) => p.perModel.get(tight)?.p99, format: figure,
            least: true, bar: true, mark: deadline.get(tight) },
        { label: "least served, % of alone", pick: (p) => p.least, format: inPercent },
        { label: "requests/s", pick: (p) => p.throughput, format: figure },
        { label: "CPU seconds", pick: (p) => p.cpu, format: figure, least: true },
        { label: "energy, J", pick: (p) => p.energy, format: figure, least: true },
    ].filter((c) => policies.some((p) => c.pick(p)));
    for (const c of columns) {
        c.scale = c.bar ? Math.max(c.mark ?? 0, ...policies.map((p) => c.pick(p)?.max ?? 0)) : 0;
        c.lead = leaders(policies, c.pick, c.least);
    }
    return h("table", { id: "overall", class: "stack", role: "table" },
        head([{ label: "policy", sort: "text" },
            ...columns.map((c) => ({ label: c.label, sort: c.least ? "up" : "down", class: c.bar ? "barred" : null }))],
            "Policies compared: medians over the rounds, with least and greatest"),
        h("tbody", { role: "rowgroup" }, policies.map((p) => h("tr", { class: rowClass(p, report), role: "row" },
            policyHead(p, report, true),
            columns.map((c) => figureCell(c.pick(p), c.format,
                { label: c.short || c.label, scale: c.scale, mark: c.mark, lead: c.lead(p) }))))));
}

// ---- Latency distributions ----------------------------------------------------------------------------------------

const STRIP_BINS = 96; // chosen: about 5 pixels each on a wide screen
const STRIP = { width: 960, height: 36 };

// A bucket holds what lies between the bucket below and its own upper edge; empty buckets may be left out, so it is
// taken to be as wide (as a ratio) as the narrowest pair of neighbours says, and never to reach below the one before.
function buckets(histogram) {
    let ratio = 1.05;
    for (let i = 1; i < histogram.length; i++) {
        const r = histogram[i][0] / histogram[i - 1][0];
        if (i === 1 || r < ratio) ratio = r;
    }
    ratio = clamp(ratio, 1.02, 2);
    return histogram.map(([upper, count], i) => ({ upper, count,
        lower: Math.max(i ? histogram[i - 1][0] : 0, upper / ratio) }));
}

function latencyRange(sets, due) {
    let low = Infinity, high = 0;
    for (const set of sets) for (const b of set) { low = Math.min(low, b.lower); high = Math.max(high, b.upper); }
    if (!high) return null;
    if (due) { low = Math.min(low, due); high = Math.max(high, due); }
    low = Math.log(low) - 0.08;
    high = Math.log(high) + 0.08;
    return { at: (x) => (Math.log(x) - low) / (high - low), value: (f) => Math.exp(low + f * (high - low)), low, high };
}

function decadeTicks(range) {
    const ticks = [];
    for (const step of [[1, 2, 5], [1, 3], [1], null]) {
        ticks.length = 0;
        for (let e = Math.floor(range.low / Math.LN10) - 1; e <= range.high / Math.LN10; e += step ? 1 : 2) {
            for (const m of step || [1]) {
                const f = range.at(m * 10 ** e);
                if (f >= 0.01 && f <= 0.99) ticks.push([f, m * 10 ** e]);
            }
        }
        if (ticks.length <= 7) break;
    }
    return ticks;
}

// Square root of the share, so that one request in a hundred can still be seen.
function stripPaths(set, range, due) {
    const bins = new Float64Array(STRIP_BINS);
    let total = 0;
    for (const b of set) {
        const from = clamp(range.at(b.lower), 0, 1) * STRIP_BINS, to = clamp(range.at(b.upper), 0, 1) * STRIP_BINS;
        total += b.count;
        for (let i = Math.floor(from); i < Math.min(STRIP_BINS, Math.ceil(to)); i++) {
            bins[i] += b.count * (Math.min(i + 1, to) - Math.max(i, from)) / (to - from);
        }
    }
    const peak = Math.max(...bins);
    const w = STRIP.width / STRIP_BINS, split = due ? range.at(due) * STRIP.width : Infinity;
    let ok = "", over = "";
    bins.forEach((count, i) => {
        if (!count) return;
        const top = (STRIP.height - Math.max(1.2, Math.sqrt(count / peak) * (STRIP.height - 3))).toFixed(1);
        const x0 = i * w, x1 = x0 + w, cut = clamp(split, x0, x1);
        const box = (a, b) => `M${a.toFixed(1)} ${STRIP.height}V${top}H${b.toFixed(1)}V${STRIP.height}z`;
        if (cut > x0) ok += box(x0, cut);
        if (cut < x1) over += box(cut, x1);
    });
    return { ok, over, total };
}

function shareWithin(set, limit) {
    let below = 0, total = 0;
    for (const b of set) {
        total += b.count;
        below += b.count * clamp((limit - b.lower) / (b.upper - b.lower), 0, 1);
    }
    return total ? below / total : null;
}

function stripCell(p, m, set, range, due) {
    if (!set.length || !range) return h("td", { role: "cell", class: "wide muted small" }, "no latencies recorded");
    const { ok, over, total } = stripPaths(set, range, due);
    const line = (x, cls) => isNumber(x) && x > 0 && svg("line", { class: cls, x1: range.at(x) * STRIP.width,
        x2: range.at(x) * STRIP.width, y1: 0, y2: STRIP.height, "vector-effect": "non-scaling-stroke" });
    const cursor = h("div", { class: "cursor", hidden: true });
    const strip = h("div", { class: "strip" },
        svg("svg", { viewBox: `0 0 ${STRIP.width} ${STRIP.height}`, preserveAspectRatio: "none", role: "img",
            "aria-label": `Latencies of ${plural(total, "request")}: half within ${ms(m.p50?.median)}, `
                + `99 % within ${ms(m.p99?.median)}` },
        decadeTicks(range).map(([f]) => svg("line", { class: "grid", x1: f * STRIP.width, x2: f * STRIP.width, y1: 0,
            y2: STRIP.height, "vector-effect": "non-scaling-stroke" })),
        svg("line", { class: "grid", x1: 0, x2: STRIP.width, y1: STRIP.height, y2: STRIP.height,
            "vector-effect": "non-scaling-stroke" }),
        svg("path", { class: "ok", d: ok }), svg("path", { class: "over", d: over }),
        line(due, "due"), line(m.p50?.median, "p50"), line(m.p99?.median, "p99")), cursor);
    strip.addEventListener("pointermove", (e) => {
        const box = strip.getBoundingClientRect();
        const f = clamp((e.clientX - box.left) / box.width, 0, 1), limit = range.value(f);
        cursor.hidden = false;
        cursor.style.left = `${f * 100}%`;
        showTip(e.clientX, e.clientY, h("b", null, `${percent(shareWithin(set, limit))} within ${ms(limit)}`),
            `${p.name}: mean ${ms(m.mean?.median)}, p95 ${ms(m.p95?.median)}, ${plural(total, "request")}`);
    });
    strip.addEventListener("pointerleave", () => { cursor.hidden = true; hideTip(); });
    return h("td", { role: "cell", class: "wide" }, strip);
}

function streamText(s) {
    const parts = [s.kind === "closed"
        ? `closed loop${isNumber(s.in_flight) ? `, ${number(s.in_flight)} in flight` : ""}`
        : `${number(s.rate_hz)}/s${s.kind === "poisson" ? ", Poisson" : ""}`];
    if (isNumber(s.deadline_ms)) parts.push(`deadline ${ms(s.deadline_ms)}`);
    if (s.priority && s.priority !== "normal") parts.push(`priority ${s.priority}`);
    return parts.join(", ");
}

function modelCard(report, model, index) {
    const { policies, deadline } = report, due = deadline.get(model) ?? null;
    const sets = policies.map((p) => buckets(p.perModel.get(model).histogram));
    const range = latencyRange(sets, due);
    const columns = [
        { label: "rate, /s", key: "rps", format: figure },
        { label: "p50, ms", key: "p50", format: figure, least: true },
        { label: "p99, ms", key: "p99", format: figure, least: true },
        { label: "missed, %", key: "miss", format: inPercent, least: true },
    ].filter((c) => c.key !== "miss" || due || policies.some((p) => p.perModel.get(model).miss));
    for (const c of columns) c.lead = leaders(policies, (p) => p.perModel.get(model)[c.key], c.least);
    const axis = range ? [h("span", { class: "hidden-text" }, "latencies"),
        h("div", { class: due ? "axis with-due" : "axis", "aria-hidden": "true" },
        decadeTicks(range).map(([f, v]) => h("span", { style: { left: `${f * 100}%` } }, ms(v))),
        due && h("span", { class: "due", style: { left: `${clamp(range.at(due), 0.14, 0.86) * 100}%` } },
            `deadline ${ms(due)}`))]
        : "latencies";
    const load = report.streams.filter((s) => s.model === model).map(streamText).join("; ");
    const alone = report.data.alone[model];
    return h("div", { class: "card" },
        h("h3", null, h("span", { class: "modelname" }, swatch(index), model), " ", h("span", { class: "load" },
            [load, isNumber(alone) ? `alone on the machine ${number(alone)}/s` : ""].filter(Boolean).join(" \u00b7 "))),
        h("table", { class: "models stack", role: "table", "data-model": model },
            head([{ label: "policy", sort: "text", class: "who" },
                ...columns.map((c) => ({ label: c.label, sort: c.least ? "up" : "down", class: "num" })),
                { label: axis, sort: null, class: "wide" }], `${model}: policies compared`),
            h("tbody", { role: "rowgroup" }, policies.map((p, i) => {
                const m = p.perModel.get(model);
                return h("tr", { class: rowClass(p, report), role: "row" }, policyHead(p, report, false),
                    columns.map((c) => figureCell(m[c.key], c.format, { label: c.label, lead: c.lead(p) })),
                    stripCell(p, m, sets[i], range, due));
            }))));
}

// ---- Timeline -----------------------------------------------------------------------------------------------------

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
                `round ${number(run.round)}, ${number(data.span / 1000)} s`,
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

// ---- Sections -----------------------------------------------------------------------------------------------------

const section = (id, title, text, ...content) => h("section", { id, "aria-labelledby": `${id}-title` },
    h("header", null, h("h2", { id: `${id}-title` }, title), text && h("p", null, text)), content);

// The sentence on top. It names an emulated processor that the best policy used: such a gain is not a measurement.
function claim({ best, base, policies }) {
    if (!best) return ["No run was completed."];
    const name = h("em", null, best.name);
    const help = best.emulated.length ? `With the emulated ${best.emulated.map((e) => e.name).join(", ")}, ` : "";
    const ratio = best.normalized?.median / base?.normalized?.median;
    if (best === base && policies.length > 1) return ["Nothing here did better than ", name, "."];
    if (best === base || !isNumber(ratio)) return [help, name,
        ` reached a normalized throughput of ${figure(best.normalized?.median)}.`];
    const kept = best.miss && best.miss.median <= MISS_LIMIT && base.miss && base.miss.median > MISS_LIMIT;
    const times = ratio.toFixed(2), other = h("span", { class: base.name.length < 20 ? "nowrap" : null }, base.name);
    const missed = best.miss && best.miss.median > MISS_LIMIT;
    const end = kept ? " and keeps its deadlines."
        : missed ? `, but misses ${percent(best.miss.median)} of a model's deadlines.` : ".";
    if (times === "1.00" || ratio < 1) {
        const work = times === "1.00" ? "the same work as" : `${times} times the work of`;
        return [help, name, kept ? ` keeps its deadlines, which ${base.name} does not, and does ${work} it.`
            : ` did best, with ${work} ${base.name}.`];
    }
    return [help, name, ` does ${times} times the work of `, other, end];
}

function tile(title, best, base, other, format, text) {
    if (!best) return null;
    return h("div", { class: "tile" }, h("h2", null, title), h("div", { class: "figure" }, format(best.median)),
        base && h("p", null, `${other.name}: `, h("b", null, format(base.median))), h("p", null, text));
}

function headline(report) {
    const { data, best, base, models, tight, deadline, emulated } = report, { machine, workload } = data;
    const other = base && base !== best ? base : null, due = deadline.get(tight);
    const ran = [`${plural(models.length, "model")} at once`,
        workload.name && workload.name !== data.title && `workload ${workload.name}`,
        `${plural(report.policies.length, "policy", "policies")}, ${plural(report.rounds, "round")}`
            + (isNumber(workload.seconds) ? ` of ${number(workload.seconds)} s` : ""),
        machine.cpu && ["on " + machine.cpu, isNumber(machine.cores) && plural(machine.cores, "core"),
            isNumber(machine.memory_gb) && `${number(machine.memory_gb)} GB`].filter(Boolean).join(", ")];
    const worst = best && [...best.perModel].filter(([, m]) => m.miss)
        .sort((a, b) => b[1].miss.median - a[1].miss.median)[0];
    return h("section", { id: "headline", "aria-label": "The result" },
        h("p", { class: "claim" }, claim(report)),
        h("p", { class: "ran" }, `${ran.filter(Boolean).join("; ")}.`),
        emulated.size > 0 && h("p", { class: "notice" }, h("b", null, `Emulated: ${[...emulated].join(", ")}. `),
            "No such processor ran anything: its runs take the time a table says, ",
            "so what policies gain by it is an estimate."),
        best && h("div", { class: "tiles" },
            tile("Normalized throughput", best.normalized, other?.normalized, other, figure,
                "1 is as much work as one model does alone."),
            tile("Deadlines missed", best.miss, other?.miss, other, percent, worst && worst[1].miss.median > 0
                ? `In ${worst[0]}, which misses most.` : "No model misses any."),
            !best.miss && tile("Least-served model", best.least, other?.least, other, percent,
                "Of the rate that it reaches alone."),
            tile(`p99 latency of ${tight}`, best.perModel.get(tight)?.p99, other?.perModel.get(tight)?.p99, other,
                (x) => `${figure(x)} ms`,
                due ? `Its deadline is ${ms(due)}${deadline.size > 1 ? ", the tightest here" : ""}.`
                    : "99 of 100 requests are answered within it.")));
}

function profileTable({ data, models, emulated }) {
    const batches = [...new Set(data.profile.map((r) => r.batch))].sort((a, b) => a - b);
    const known = [...new Set([...models, ...data.profile.map((r) => r.model)])]
        .filter((m) => data.profile.some((r) => r.model === m));
    return h("div", { class: "card scroll", tabindex: "0", role: "region", "aria-label": "Profile" },
        h("table", { class: "profile", id: "costs" },
        h("caption", { class: "hidden-text" }, "Latency of a run by model, processor and batch"),
        h("thead", null, h("tr", null, h("th", { scope: "col" }, "model"), h("th", { scope: "col" }, "processor"),
            batches.map((b) => h("th", { scope: "col" }, `batch ${b}`)))),
        known.map((model) => {
            const rows = data.profile.filter((r) => r.model === model && isNumber(r.latency_ms));
            const least = Math.min(...rows.map((r) => r.latency_ms / r.batch));
            const processors = [...new Set(rows.map((r) => r.processor))];
            return h("tbody", null, processors.map((p, i) => h("tr", null,
                i === 0 && h("th", { scope: "rowgroup", rowspan: processors.length },
                    h("span", { class: "modelname" }, models.includes(model) && swatch(models.indexOf(model)), model)),
                h("th", { scope: "row" }, p, " ", emulated.has(p) && emulatedBadge()),
                batches.map((b) => {
                    const row = rows.find((r) => r.processor === p && r.batch === b);
                    if (!row) return h("td", { class: "muted" }, "\u2013");
                    const each = row.latency_ms / b;
                    return h("td", { class: each === least ? "fastest" : null, "data-value": row.latency_ms },
                        ms(row.latency_ms),
                        b > 1 && h("span", { class: "each" }, `${ms(each)} each`));
                }))));
        })));
}

function method({ data, rounds, policies }) {
    const { machine, workload } = data;
    const entry = (term, ...value) => [h("dt", null, term), h("dd", null, value)];
    const lines = (items) => h("ul", null, items.map((i) => h("li", null, i)));
    const short = policies.filter((p) => p.runs.length < rounds).map((p) => p.name);
    const problems = data.runs.filter((r) => r.problem).map((r) => `${r.policy}, round ${r.round}: ${r.problem}`);
    return h("div", { class: "card" }, h("dl", null,
        data.command && entry("Command", h("pre", null, data.command)),
        entry("Versions", [data.cosrel && `cosrel ${data.cosrel}`,
            data.onnxruntime && `ONNX Runtime ${data.onnxruntime}`].filter(Boolean).join(", ")),
        entry("Machine", [machine.cpu, isNumber(machine.cores) && plural(machine.cores, "core"),
            isNumber(machine.memory_gb) && `${number(machine.memory_gb)} GB memory`, machine.os,
            machine.kernel && `kernel ${machine.kernel}`].filter(Boolean).join(", ")),
        data.processors.length > 0 && entry("Processors",
            lines(data.processors.map((p) => [h("b", null, p.name), " ", p.emulated && [emulatedBadge(), " "],
            [p.kind, p.provider, p.description].filter(Boolean).join(", ")]))),
        entry("Workload", workload.name || "",
            isNumber(workload.seconds) ? `, ${number(workload.seconds)} s a run` : "",
            lines(list(workload.streams).map((s) => [h("b", null, s.model), ` ${streamText(s)}`]))),
        entry("Rounds", `The policies ran in turn, ${plural(rounds, "round")}`,
            data.rounds > rounds ? ` of ${number(data.rounds)} asked for` : "",
            ". Figures are medians over the rounds; the small figures and the thin lines are the least ",
            "and the greatest.",
            short.length > 0 && ` Fewer rounds were completed by ${short.join(", ")}.`),
        entry("Best", `First come the policies that miss at most ${percent(MISS_LIMIT)} of any model's deadlines, `,
            "those with the highest normalized throughput first; then the others, fewest misses first."),
        entry("Normalized throughput",
            "The sum over the models of the rate reached divided by the rate of that model alone on all cores."),
        problems.length > 0 && entry("Problems", lines(problems)),
        data.notes.length > 0 && entry("Notes", lines(data.notes))));
}

function key(report) {
    return h("p", { class: "key" }, h("span", null, h("i"), "p50"), h("span", null, h("i", { class: "p99" }), "p99"),
        report.deadline.size > 0 && [h("span", null, h("i", { class: "due" }), "deadline"),
            h("span", null, h("i", { class: "over" }), "requests beyond it")],
        h("span", null, "height: square root of the share, each row to its own peak"));
}

function page(raw) {
    const report = analyse(raw), { data, models } = report;
    const title = data.title || "Benchmark";
    document.title = `${title} \u00b7 Cosrel`;
    const parts = [["overall-section", "Comparison"], ["timeline", "Timeline"], ["latencies", "Models"],
        ["profile", "Profile"], ["method", "Method"]];
    $("top").append(h("div", { class: "brand" }, h("b", null, "cosrel bench"),
        h("span", null, String(data.created || "").replace(/^(\d{4}-\d\d-\d\d)T(\d\d:\d\d)(:\d\d)?Z$/, "$1 $2 UTC")),
        h("nav", { "aria-label": "Sections" }, parts.filter(([id]) => id !== "profile" || data.profile.length)
            .filter(([id]) => report.best || !["overall-section", "timeline", "latencies"].includes(id))
            .map(([id, text]) => h("a", { href: `#${id}` }, text)))), h("h1", null, title));
    const main = $("main"), timeline = new Timeline(report);
    main.replaceChildren(headline(report));
    if (report.best) {
        main.append(section("overall-section", "Policies compared",
            ["Best first. ", report.deadline.size
                ? `Misses are those of the model that misses most. Dashed lines: a throughput of 1, misses of ${
                    percent(MISS_LIMIT)}, the deadline. ` : "Dashed line: a throughput of 1. ",
            "Small figures and thin lines: the least and the greatest of the rounds."],
            h("div", { class: "card" }, overallTable(report))));
        main.append(section("timeline", "What ran where", "Every run on every processor, on a common time axis.",
            h("div", { class: "card" }, timeline.build())));
        main.append(section("latencies", "Model by model",
            "How each model fared under each policy: rates and latencies as its client saw them.",
            key(report), models.map((m, i) => modelCard(report, m, i))));
    }
    if (data.profile.length) main.append(section("profile", "What a run costs",
        "Measured before the comparison, one run at a time. Bold: least time per request.", profileTable(report)));
    main.append(section("method", "How it was measured", null, method(report)));
    main.append(h("footer", null, `Made by cosrel ${data.cosrel || ""}. `,
        "This file is complete in itself and loads nothing."));
    if (timeline.stage) timeline.start();
}

try {
    page(JSON.parse($("data").textContent));
} catch (error) {
    $("main").append(h("p", { class: "notice" }, `This report could not be drawn: ${error.message}`));
    throw error;
}
})();
