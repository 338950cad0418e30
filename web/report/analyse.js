// What the runs say: medians over rounds, who is best, against what.

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

// Work that differs by less than rounds of one policy do counts as equal (chosen); then the stream with the tightest
// deadline decides, by its tail latency. Puts that policy first.
const EQUAL_WORK = 0.02;

function settleTie(policies, tight) {
    const keeps = (p) => p.miss === null || p.miss.median <= MISS_LIMIT;
    const p99 = (p) => p.perModel.get(tight)?.p99?.median;
    const most = policies[0]?.normalized?.median;
    const equal = policies.filter((p) => keeps(p) && isNumber(p99(p)) && p.normalized?.median >= (1 - EQUAL_WORK) * most);
    if (!policies.length || !keeps(policies[0]) || !equal.length) return;
    const best = equal.reduce((a, b) => (p99(b) < p99(a) ? b : a));
    policies.splice(policies.indexOf(best), 1);
    policies.unshift(best);
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
    if (tight !== undefined) settleTie(policies, tight);
    return {
        data, models, policies, streams, deadline, tight: tight ?? models[0] ?? null, best: policies[0] || null,
        base: policies.find((p) => p.name === "ort-default") || policies.find((p) => p.baseline) || null,
        rounds: Math.max(0, ...policies.map((p) => p.runs.length)),
        emulated: new Set(data.processors.filter((p) => p.emulated).map((p) => p.name)),
    };
}
