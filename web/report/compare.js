// Policies side by side: sortable tables, latency distributions.

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
            report.data.simulation ? "Policies compared"
                : "Policies compared: medians over the rounds, with least and greatest"),
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

function arrivalsText(s) {
    const rate = isNumber(s.rate_hz) ? `${number(s.rate_hz)}/s` : "";
    switch (s.kind) {
    case "closed": return `closed loop${isNumber(s.in_flight) ? `, ${number(s.in_flight)} in flight` : ""}`;
    case "recorded": return isNumber(s.requests) ? plural(s.requests, "recorded request") : "recorded arrivals";
    case "cascade": return `after ${s.after}${rate && `, at most ${rate}`}`;
    case "bursts": return `bursts${rate && `, ${rate} between`}`;
    case "day": return `${rate} times the hour's factor`;
    case "poisson": return `${rate}, Poisson`;
    default: return rate;
    }
}

function streamText(s) {
    const parts = [arrivalsText(s)];
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
    const alone = report.data.alone[model], where = report.data.simulation ? "where it is fastest" : "on the machine";
    return h("div", { class: "card" },
        h("h3", null, h("span", { class: "modelname" }, swatch(index), model), " ", h("span", { class: "load" },
            [load, isNumber(alone) ? `alone ${where} ${number(alone)}/s` : ""].filter(Boolean).join(" \u00b7 "))),
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
