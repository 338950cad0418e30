// Makes up a report's data, to look at and to test the page with. The figures are invented: a small seeded simulation
// of four models on two cores and an emulated NPU. As a program it prints JSON:
//   node web/report/sample.js > sample.json && node web/report/assemble.js sample.json sample.html
"use strict";

// Mulberry32: small, seeded, good enough for pictures.
function stream(seed) {
    let a = seed >>> 0;
    return () => {
        a = (a + 0x6d2b79f5) >>> 0;
        let t = Math.imul(a ^ (a >>> 15), 1 | a);
        t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
        return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
    };
}

const MODELS = ["mobilenet_v2", "ssd_mobilenet_v2", "keyword_spotter", "resnet50"];
const STREAMS = [
    { model: "mobilenet_v2", kind: "periodic", rate_hz: 30, deadline_ms: 33, in_flight: null, priority: "normal" },
    { model: "ssd_mobilenet_v2", kind: "periodic", rate_hz: 15, deadline_ms: 66, in_flight: null, priority: "normal" },
    { model: "keyword_spotter", kind: "periodic", rate_hz: 10, deadline_ms: 100, in_flight: null, priority: "normal" },
    { model: "resnet50", kind: "closed", rate_hz: null, deadline_ms: null, in_flight: 2, priority: "background" },
];
const COST = { // ms of one run alone on that processor
    cpu0: [9.6, 24, 1.1, 98], cpu1: [9.8, 24.6, 1.1, 101], "cpu0-1": [6.3, 14.5, 1.0, 61], npu0: [4.2, null, null, 38],
};
const CORES = { cpu0: [0], cpu1: [1], "cpu0-1": [0, 1], npu0: [2] };
const ALONE = { mobilenet_v2: 158.7, ssd_mobilenet_v2: 69, keyword_spotter: 1000, resnet50: 16.4 };

const POLICIES = [
    { name: "ort-default", summary: "one session per model with default options, one client thread each",
        baseline: true, contention: 1.95 },
    { name: "ort-nospin", summary: "as ort-default, threads do not spin", baseline: true, contention: 1.35 },
    { name: "ort-1thread", summary: "one thread per session", baseline: true, contention: 1.2 },
    { name: "ort-globalpool", summary: "one pool of threads for all sessions, no spinning", baseline: true,
        contention: 1.4 },
    { name: "round-robin", summary: "each arrival to the next processor that can run it", baseline: false,
        uses: ["cpu0", "cpu1"], order: "fifo" },
    { name: "shortest-latency", summary: "at arrival, to the processor that would finish it first", baseline: false,
        uses: ["cpu0", "cpu1", "npu0"], order: "fifo" },
    { name: "least-slack", summary: "whatever has the least time left before its deadline", baseline: false,
        uses: ["cpu0", "cpu1", "npu0"], order: "slack" },
    { name: "max-weight", summary: "the longest queue times the rate", baseline: false, uses: ["cpu0", "cpu1"],
        order: "slack" },
];

// Arrivals of the periodic models in time order; the closed loop is fed as it completes.
function arrivalsOf(duration) {
    const all = [];
    STREAMS.forEach((s, model) => {
        if (s.kind === "periodic") for (let t = model * 1.7; t < duration;
            t += 1000 / s.rate_hz) all.push({ model, t });
    });
    return all.sort((a, b) => a.t - b.t);
}

// Every session on all cores at once: service slows down with how many are busy.
function shareCores(policy, duration, random) {
    const runs = [], latencies = MODELS.map(() => []), busyUntil = MODELS.map(() => 0), arrivals = arrivalsOf(duration);
    for (let k = 0; k < 2000; k++) arrivals.push({ model: 3, t: k * 5 });
    arrivals.sort((a, b) => a.t - b.t);
    for (const { model, t } of arrivals) {
        const closed = STREAMS[model].kind === "closed";
        if (closed && busyUntil[model] > t) continue;
        const start = Math.max(t, busyUntil[model]);
        if (start > duration) continue;
        const others = busyUntil.filter((end, m) => m !== model && end > start).length;
        const slowed = 1 + others * (policy.contention - 1) * (0.7 + 0.6 * random());
        const took = COST["cpu0-1"][model] * slowed * (1 + 0.5 * random() ** 6);
        busyUntil[model] = start + took;
        const late = STREAMS[model].deadline_ms !== null && start + took - t > STREAMS[model].deadline_ms;
        runs.push({ processor: "cpu0-1", model, start, end: start + took, batch: 1, late });
        latencies[model].push(start + took - t);
    }
    return { runs, latencies };
}

function schedule(policy, duration, random) {
    const runs = [], latencies = MODELS.map(() => []), arrivals = arrivalsOf(duration);
    const queue = [], freeAt = [0, 0, 0];
    let next = 0, closed = 2;
    for (let now = 0; now < duration; now += 0.25) {
        while (next < arrivals.length && arrivals[next].t <= now) queue.push(arrivals[next++]);
        while (closed > 0) { queue.push({ model: 3, t: now }); closed--; }
        const due = (r) => r.t + (STREAMS[r.model].deadline_ms ?? 400);
        if (policy.order === "slack") queue.sort((a, b) => due(a) - due(b));
        for (const processor of policy.uses) {
            if (CORES[processor].some((core) => freeAt[core] > now)) continue;
            const at = queue.findIndex((r) => COST[processor][r.model] !== null
                && !(processor === "cpu0" && r.model === 3 && policy.order === "slack"));
            if (at < 0) continue;
            const [request] = queue.splice(at, 1);
            const took = COST[processor][request.model] * (0.97 + 0.06 * random() + 0.4 * random() ** 20);
            for (const core of CORES[processor]) freeAt[core] = now + took;
            const latency = now + took - request.t, due_ms = STREAMS[request.model].deadline_ms;
            runs.push({ processor, model: request.model, start: now, end: now + took, batch: 1,
                late: due_ms !== null && latency > due_ms });
            latencies[request.model].push(latency);
            if (request.model === 3) arrivals.splice(next, 0, { model: 3, t: now + took }),
                arrivals.sort((a, b) => a.t - b.t);
        }
    }
    return { runs, latencies };
}

// Buckets as wide as a twentieth of their octave, empty ones left out.
function histogram(values) {
    const counts = new Map();
    for (const v of values) {
        const octave = 2 ** Math.floor(Math.log2(v)),
            upper = octave * (1 + (Math.floor((v / octave - 1) * 20) + 1) / 20);
        counts.set(upper, (counts.get(upper) || 0) + 1);
    }
    return [...counts].sort((a, b) => a[0] - b[0]);
}

function measure(policy, round, seconds, seed) {
    const duration = seconds * 1000, random = stream(seed);
    const { runs, latencies } = policy.contention ? shareCores(policy, duration, random)
        : schedule(policy, duration, random);
    const models = {}, processors = {}, tracks = new Map();
    MODELS.forEach((model, m) => {
        const sorted = [...latencies[m]].sort((a, b) => a - b),
            at = (q) => sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))] ?? 0;
        const due = STREAMS[m].deadline_ms;
        models[model] = {
            completed: sorted.length, rps: sorted.length / seconds,
                mean_ms: sorted.reduce((a, b) => a + b, 0) / Math.max(1, sorted.length),
            p50_ms: at(0.5), p95_ms: at(0.95), p99_ms: at(0.99),
            deadline_miss_rate: due === null ? null : sorted.filter((v) => v > due)
                .length / Math.max(1, sorted.length), histogram: histogram(sorted),
        };
    });
    for (const r of runs) {
        processors[r.processor] ||= { busy_s: 0, runs: 0 };
        processors[r.processor].busy_s += (r.end - r.start) / 1000;
        processors[r.processor].runs++;
        if (!tracks.has(r.processor)) tracks.set(r.processor, []);
        tracks.get(r.processor).push([r.model, 1500 + r.start, 1500 + r.end, r.batch, r.late ? 1 : 0]);
    }
    const names = policy.contention ? ["cpu0-1"] : policy.uses;
    return {
        policy: policy.name, round, throughput_rps: MODELS.reduce((a, m) => a + models[m].rps, 0),
        normalized_throughput: MODELS.reduce((a, m) => a + models[m].rps / ALONE[m], 0),
        cpu_seconds: seconds * (policy.contention ? 1.98 : 1.6 + 0.2 * random()), energy_j: null, models, processors,
        timeline: { start_ms: 1500, end_ms: 1500 + duration,
            tracks: names.map((n) => ({ processor: n, runs: tracks.get(n) || [] })) },
    };
}

function profile() {
    const rows = [];
    for (const [processor, costs] of Object.entries(COST)) {
        costs.forEach((cost, m) => {
            if (cost === null) return;
            for (const batch of [1, 2, 4]) {
                const gain = processor === "npu0" ? 0.7 : processor === "cpu0-1" ? 1.25 : 0.98;
                rows.push({ model: MODELS[m], processor, batch, latency_ms: cost * (1 + (batch - 1) * gain) });
            }
        });
    }
    return rows;
}

function sample({ seed = 1, seconds = 6, rounds = 3, policies = POLICIES.map((p) => p.name) } = {}) {
    const chosen = POLICIES.filter((p) => policies.includes(p.name)), runs = [];
    for (let round = 0; round < rounds; round++) {
        chosen.forEach((p, i) => runs.push(measure(p, round + 1, seconds, seed * 1000 + round * 100 + i)));
    }
    return {
        title: "Sample: four models on two cores and an emulated NPU", created: "2026-01-15 10:42 UTC",
        command: "cosrel bench --models models --workload workloads/demo.yaml --policies " + chosen.map((p) => p.name)
            .join(",") + " --report report.html",
        cosrel: "0.1.0", onnxruntime: "1.30.0",
        machine: { cpu: "Invented CPU N100", cores: 2, memory_gb: 8, kernel: "6.1.0", os: "Debian GNU/Linux 12" },
        processors: [
            { name: "cpu0", kind: "cpu", provider: "CPU", description: "core 0", emulated: false },
            { name: "cpu1", kind: "cpu", provider: "CPU", description: "core 1", emulated: false },
            { name: "cpu0-1", kind: "cpu", provider: "CPU", description: "cores 0 and 1", emulated: false },
            { name: "npu0", kind: "npu", provider: "emulated", description: "takes the time of a table",
                emulated: true },
        ],
        workload: { name: "demo", seconds, streams: STREAMS }, alone: ALONE, rounds, runs,
        policies: chosen.map(({ name, summary, baseline }) => ({ name, summary, baseline })), model_order: MODELS,
            profile: profile(),
        notes: ["These figures are invented: the page's sample, not a measurement."],
    };
}

// The same as `cosrel sim --report` would have it: one round, no baselines, no CPU time.
function simulated(options = {}) {
    const data = sample({ rounds: 1, policies: POLICIES.filter((p) => !p.baseline).map((p) => p.name), ...options });
    delete data.onnxruntime;
    delete data.machine;
    for (const run of data.runs) run.cpu_seconds = null;
    data.processors = data.processors.map(({ name }) => ({ name, kind: "", emulated: false }));
    return { ...data, title: "Sample: a board simulated", command: "cosrel sim --device board.csv --report report.html",
        notes: ["These figures are invented: the page's sample."],
        simulation: { device: "Invented Board", table: "board.csv", objective: "latency", seed: 1, runs_shown: 2000,
            from_middle: true } };
}

module.exports = { sample, simulated, stream };

if (require.main === module) process.stdout.write(JSON.stringify(sample()) + "\n");
