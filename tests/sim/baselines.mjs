// The baselines a second time, from their descriptions alone, as a plain event simulation. It shares nothing with the
// scheduler but the device table: what both say independently is what the algorithms do.
//
// Times are whole nanoseconds in doubles (exact up to 104 days). A device is {processors: [{name, conflicts}], models,
// batches, cost: (model, processor, batch) => ns or undefined}; processors and models are in alphabetical order, which is
// also the order of ties.

// Requests waiting for one processor each, served in order of arrival. Where processors share cores the oldest request goes
// first: a younger one does not start on a processor that would keep an older one's from starting.
function lanes(device, choose) {
    const all = device.processors.map(() => []);
    return {
        arrive: (request, state) => all[choose(request, state, all)].push(request),
        decide(state) {
            const kept = new Set();
            const order = device.processors.map((_, p) => p).filter((p) => all[p].length > 0)
                .sort((a, b) => all[a][0].number - all[b][0].number);
            for (const p of order) {
                if (state.idle(p) && !kept.has(p)) return { processor: p, requests: [all[p].shift()] };
                device.processors[p].conflicts.forEach((q) => kept.add(q));
            }
            return null;
        },
    };
}

function fastest(device, model) {
    let best = -1;
    for (let p = 0; p < device.processors.length; p++) {
        const ns = device.cost(model, p, 1);
        if (ns !== undefined && (best < 0 || ns < device.cost(model, best, 1))) best = p;
    }
    return best;
}

// The processor where a run would end first, after what is planned; cost may be weighted (see share).
function earliest(device, ready, model, weigh = () => 1) {
    let best = { processor: -1, end: Infinity };
    for (let p = 0; p < device.processors.length; p++) {
        const ns = device.cost(model, p, 1);
        if (ns === undefined) continue;
        const end = ready[p] + Math.floor(ns * weigh(p));
        if (end < best.end) best = { processor: p, end };
    }
    return best;
}

function give(device, plan, processor, ns) {
    const end = plan.ready[processor] + ns;
    for (const q of device.processors[processor].conflicts) {
        plan.ready[q] = Math.max(plan.ready[q], end);
        plan.open.delete(q);
    }
}

// How much of the machine a run takes: a set of k cores counts as k processors when that many requests wait, as one when nothing
// else wants its cores, and in between by the cores that are free. 1 for a single core.
function share(device, state, p, waiting) {
    const units = device.processors[p].units;
    if (units.length === 1) return 1;
    const family = new Set(device.processors[p].conflicts.flatMap((q) => device.processors[q].units));
    const free = [...family].filter((u) => !state.busyUnits.has(u)).length;
    if (free === 0 || waiting >= free) return units.length;
    return Math.max(1, units.length * waiting / free);
}

const begin = (device, state) => ({
    ready: device.processors.map((_, p) => state.readyAt(p)),
    open: new Set(device.processors.map((_, p) => p).filter((p) => state.idle(p))),
});

// Whether planning on can still start something.
const goesOn = (device, plan, state) => [...plan.open].some((p) =>
    state.models().some((m) => device.cost(m, p, 1) !== undefined));

const POLICIES = {
    single(device, home) {
        const p = device.processors.findIndex((q) => q.name === home);
        return lanes(device, (r) => device.cost(r.model, p, 1) !== undefined ? p : fastest(device, r.model));
    },

    "round-robin"(device) {
        let next = 0;
        return lanes(device, (r) => {
            while (device.cost(r.model, next, 1) === undefined) next = (next + 1) % device.processors.length;
            const p = next;
            next = (next + 1) % device.processors.length;
            return p;
        });
    },

    "static-best": (device) => lanes(device, (r) => fastest(device, r.model)),

    "shortest-latency": (device) => lanes(device, (r, state, all) => {
        const plan = begin(device, state);
        const given = all.flatMap((lane, p) => lane.map((q) => ({ p, q }))).sort((a, b) => a.q.number - b.q.number);
        for (const { p, q } of given) give(device, plan, p, device.cost(q.model, p, 1));
        return earliest(device, plan.ready, r.model).processor;
    }),

    // The greatest backlog times rate, over the idle processors and all batches that are full. A set counts per core. A model
    // whose every processor is busy keeps the idle cores of a partly busy set if it wins.
    "max-weight": (device) => ({
        arrive() {},
        decide(state) {
            const kept = new Set();
            for (;;) {
                let best = null;
                for (const m of state.models()) {
                    const can = device.processors.map((_, p) => p).filter((p) => device.cost(m, p, 1) !== undefined);
                    const idle = can.filter((p) => state.idle(p));
                    const from = idle.length ? idle : can.filter((p) => state.partlyBusy(p));
                    for (const p of from.filter((q) => !kept.has(q))) {
                        for (const batch of device.batches) {
                            const ns = device.cost(m, p, batch), n = state.waiting(m).length;
                            if (batch > n || ns === undefined) continue;
                            const weight = n * batch / (ns * share(device, state, p, state.count));
                            const better = !best || weight > best.weight || weight === best.weight
                                && (p - best.p || m - best.m || batch - best.batch) < 0;
                            if (better) best = { weight, p, m, batch };
                        }
                    }
                }
                if (!best) return null;
                if (state.idle(best.p)) return { processor: best.p, requests: state.waiting(best.m).slice(0, best.batch) };
                device.processors[best.p].conflicts.forEach((q) => kept.add(q));
            }
        },
    }),

    // Again and again what would finish first; ties: processor, then model.
    "min-min": (device) => ({
        arrive() {},
        decide(state) {
            const plan = begin(device, state);
            const cursor = new Map(state.models().map((m) => [m, 0]));
            const weigh = (p) => share(device, state, p, state.count);
            while (goesOn(device, plan, state)) {
                let best = null;
                for (const [m, at] of cursor) {
                    if (at >= state.waiting(m).length) continue;
                    const { processor: p, end } = earliest(device, plan.ready, m, weigh);
                    if (p >= 0 && (!best || end < best.end || end === best.end && (p - best.p || m - best.m) < 0))
                        best = { p, m, end };
                }
                if (!best) return null;
                if (plan.open.has(best.p))
                    return { processor: best.p, requests: [state.waiting(best.m)[cursor.get(best.m)]] };
                give(device, plan, best.p, device.cost(best.m, best.p, 1));
                cursor.set(best.m, cursor.get(best.m) + 1);
            }
            return null;
        },
    }),

    // Costly models first (the mean over what can run them), each request where it ends first.
    heft: (device) => ({
        arrive() {},
        decide(state) {
            const plan = begin(device, state);
            const rank = (m) => {
                const all = device.processors.map((_, p) => device.cost(m, p, 1)).filter((ns) => ns !== undefined);
                return all.reduce((a, b) => a + b, 0) / all.length;
            };
            for (const m of state.models().sort((a, b) => rank(b) - rank(a) || a - b)) {
                for (const r of state.waiting(m)) {
                    if (!goesOn(device, plan, state)) return null;
                    const { processor: p } = earliest(device, plan.ready, m);
                    if (plan.open.has(p)) return { processor: p, requests: [r] };
                    give(device, plan, p, device.cost(m, p, 1));
                }
            }
            return null;
        },
    }),

    // Slack: the time left when the request would end at its earliest. Least first; without deadline by arrival, after all
    // that have one. One whose processor is busy waits for it (and keeps it from others).
    "least-slack": (device) => ({
        arrive() {},
        decide(state) {
            const ready = device.processors.map((_, p) => state.readyAt(p));
            const kept = new Set(), all = [];
            for (const m of state.models()) {
                const { processor: p, end } = earliest(device, ready, m);
                for (const r of state.waiting(m)) all.push({ r, p, slack: r.due === null ? Infinity : r.due - end });
            }
            all.sort((a, b) => a.slack === b.slack ? a.r.number - b.r.number : a.slack - b.slack);
            for (const { r, p } of all) {
                if (state.idle(p) && !kept.has(p)) return { processor: p, requests: [r] };
                device.processors[p].conflicts.forEach((q) => kept.add(q));
            }
            return null;
        },
    }),
};

export const names = (device) => Object.keys(POLICIES)
    .flatMap((name) => name === "single" ? device.processors.map((p) => `single:${p.name}`) : [name]);

// What policies see.
class State {
    constructor(device) {
        this.device = device;
        this.now = 0;
        this.count = 0;
        this.runs = device.processors.map(() => null);
        this.queues = device.models.map(() => []);
        this.busyUnits = new Set();
    }
    models() { return this.queues.map((_, m) => m).filter((m) => this.queues[m].length > 0); }
    waiting(model) { return this.queues[model]; }
    idle(p) { return this.device.processors[p].conflicts.every((q) => this.runs[q] === null); }
    readyAt(p) {
        return this.device.processors[p].conflicts.reduce((t, q) => Math.max(t, this.runs[q] ? this.runs[q].end : 0), this.now);
    }
    partlyBusy(p) {
        const busy = this.device.processors[p].units.filter((u) => this.busyUnits.has(u)).length;
        return busy > 0 && busy < this.device.processors[p].units.length;
    }
}

// The latency of each request in ns, by its number. Ends of runs before arrivals of the same instant; then decisions.
export function simulate(device, arrivals, policy) {
    const colon = policy.indexOf(":");
    const rule = POLICIES[colon < 0 ? policy : policy.slice(0, colon)](device, policy.slice(colon + 1));
    const state = new State(device);
    const latency = new Array(arrivals.length);
    let next = 0, last = 0;
    for (;;) {
        const ends = state.runs.filter(Boolean).map((run) => run.end);
        const t = Math.min(...ends, next < arrivals.length ? arrivals[next].t : Infinity);
        if (t === Infinity) break;
        state.now = t;
        state.runs.forEach((run, p) => {
            if (!run || run.end > t) return;
            for (const r of run.requests) latency[r.number] = t - r.t;
            state.runs[p] = null;
            device.processors[p].units.forEach((u) => state.busyUnits.delete(u));
            last = t;
        });
        for (; next < arrivals.length && arrivals[next].t === t; next++) {
            rule.arrive(arrivals[next], state);
            state.queues[arrivals[next].model].push(arrivals[next]);
            state.count++;
        }
        for (let d; (d = rule.decide(state));) {
            const model = d.requests[0].model;
            state.runs[d.processor] = { end: t + device.cost(model, d.processor, d.requests.length), requests: d.requests };
            device.processors[d.processor].units.forEach((u) => state.busyUnits.add(u));
            state.queues[model] = state.queues[model].filter((r) => !d.requests.includes(r));
            state.count -= d.requests.length;
        }
    }
    return { latency, last };
}
