// Judges a trace: everything that can be recomputed from the device table and the arrivals is. Knows the file formats, nothing
// of the program that wrote them.
import fs from "node:fs";

const ns = (ms) => Math.round(Number(ms) * 1e6);

export function readCsv(file) {
    const [head, ...rows] = fs.readFileSync(file, "utf8").trim().split("\n")
        .map((line) => [...line.matchAll(/("(?:[^"]|"")*"|[^,]*)(?:,|$)/g)].map((m) => m[1].replace(/^"|"$/g, "")
            .replaceAll('""', '"')));
    return rows.map((row) => Object.fromEntries(head.map((name, i) => [name, row[i]])));
}

// cpu0, cpu0-3, cpu0+2-3: cores. Any other name is a unit of its own.
function unitsOf(name) {
    if (!/^cpu\d+(-\d+)?(\+\d+(-\d+)?)*$/.test(name)) return [name];
    return name.slice(3).split("+").flatMap((part) => {
        const [first, last = first] = part.split("-").map(Number);
        return Array.from({ length: last - first + 1 }, (_, i) => first + i);
    });
}

export function readDevice(file) {
    const rows = readCsv(file), cells = new Map(), energies = new Map();
    const sorted = (key) => [...new Set(rows.map((r) => r[key]))].sort((a, b) => a < b ? -1 : 1);
    const models = sorted("model");
    const processors = sorted("processor").map((name) => ({ name, units: unitsOf(name) }));
    for (const p of processors)
        p.conflicts = processors.flatMap((q, i) => p.units.some((u) => q.units.includes(u)) ? [i] : []);
    for (const r of rows) {
        const key = `${models.indexOf(r.model)}/${processors.findIndex((p) => p.name === r.processor)}/${r.batch}`;
        cells.set(key, ns(r.latency_ms));
        energies.set(key, r.energy_mj !== "" ? Number(r.energy_mj) : Number(r.power_w) * Number(r.latency_ms));
    }
    return {
        file, models, processors,
        batches: [...new Set([1, ...rows.map((r) => Number(r.batch))])].sort((a, b) => a - b),
        cost: (m, p, batch) => cells.get(`${m}/${p}/${batch}`),
        energy_mj: (m, p, batch) => energies.get(`${m}/${p}/${batch}`),
    };
}

export const readArrivals = (file, device) => readCsv(file).map((r, number) => ({
    number, t: ns(r.t_ms), model: device.models.indexOf(r.model), due: r.deadline_ms === "" ? null : ns(r.t_ms) + ns(r.deadline_ms),
}));

const KEYS = {
    arrival: "type,t_ms,id,model",
    dispatch: "type,t_ms,end_ms,processor,model,requests",
    drop: "type,t_ms,id,reason",
};

// What is wrong, as a list of sentences, and each request's latency in ns and the energy where nothing is.
export function judge(device, arrivals, text, { dropLate = false } = {}) {
    const faults = [], latency = new Array(arrivals.length), seen = new Set(), gone = new Set();
    const fault = (line, what) => faults.push(`line ${line + 1}: ${what}`);
    const runs = device.processors.map(() => ({ start: -1, end: -1 }));
    let last = -Infinity, energy_mj = 0, lastEnd = 0;

    function take(line, id, t) {
        const r = arrivals[id];
        if (!Number.isInteger(id) || !r) return fault(line, `request ${id} is in no row`), null;
        if (!seen.has(id) || t < r.t) fault(line, `request ${id} has not arrived`);
        if (gone.has(id)) fault(line, `request ${id} was answered already`);
        gone.add(id);
        return r;
    }

    function dispatch(line, e, t) {
        const end = ns(e.end_ms), p = device.processors.findIndex((q) => q.name === e.processor);
        const model = device.models.indexOf(e.model);
        if (p < 0 || model < 0) return fault(line, `no '${e.processor}' or no '${e.model}' in the table`);
        const cost = device.cost(model, p, e.requests.length);
        if (cost === undefined)
            return fault(line, `${e.processor} cannot run ${e.requests.length} of ${e.model}`);
        if (Math.abs(end - t - cost) >= 1000) fault(line, `takes ${end - t} ns, the table says ${cost}`);
        for (const q of device.processors[p].conflicts)
            if (runs[q].end > t) fault(line, `${device.processors[q].name} is busy until ${runs[q].end / 1e6} ms`);
        runs[p] = { start: t, end };
        energy_mj += device.energy_mj(model, p, e.requests.length);
        for (const id of e.requests) {
            const r = take(line, id, t);
            if (r && r.model !== model) fault(line, `request ${id} asks for ${device.models[r.model]}`);
            if (r) latency[id] = end - r.t;
        }
        lastEnd = Math.max(lastEnd, end);
    }

    function drop(line, e, t) {
        const r = take(line, e.id, t);
        if (!dropLate) return fault(line, "a drop, though nobody asked for it");
        if (!r) return;
        const least = Math.min(...device.processors.map((_, p) => device.cost(r.model, p, 1) ?? Infinity));
        if (r.due === null || e.reason !== "late") fault(line, `request ${e.id}: reason '${e.reason}'`);
        else if (t + least <= r.due) fault(line, `request ${e.id} could still be in time`);
    }

    text.trimEnd().split("\n").forEach((row, line) => {
        let e;
        try { e = JSON.parse(row); } catch { return fault(line, "not JSON"); }
        if (Object.keys(e).join() !== KEYS[e.type]) return fault(line, `keys ${Object.keys(e).join()}`);
        const t = ns(e.t_ms);
        if (!(t >= last)) fault(line, `goes back from ${last} to ${t} ns`);
        last = t;
        if (e.type === "dispatch") return dispatch(line, e, t);
        if (e.type === "drop") return drop(line, e, t);
        const r = arrivals[e.id];
        if (!r || r.t !== t || device.models[r.model] !== e.model || seen.has(e.id))
            fault(line, `arrival ${e.id} is not its row`);
        seen.add(e.id);
    });
    const lost = arrivals.filter((r) => !gone.has(r.number)).length;
    if (lost) faults.push(`${lost} requests were never answered`);
    return { faults, latency, lastEnd, energy_mj };
}

// As the command's JSON: percentiles by nearest rank.
export function summary(arrivals, { latency, lastEnd }) {
    const served = latency.filter((l) => l !== undefined);
    const sorted = served.map((l) => l / 1e6).sort((a, b) => a - b);
    const rank = (q) => sorted[Math.max(0, Math.ceil(sorted.length * q) - 1)];
    const due = arrivals.filter((r) => r.due !== null);
    const missed = due.filter((r) => latency[r.number] === undefined || r.t + latency[r.number] > r.due);
    return {
        served: served.length,
        dropped: arrivals.length - served.length,
        mean_ms: sorted.reduce((a, b) => a + b, 0) / sorted.length,
        p50_ms: rank(0.5),
        p99_ms: rank(0.99),
        throughput_rps: served.length / ((lastEnd - arrivals[0].t) / 1e9),
        deadline_miss_rate: due.length ? missed.length / due.length : 0,
    };
}
