// What is known: the last runs of each processor, counters and what follows from them, the history that charts draw.
// Everything is bounded: the page may stay open for weeks.
const TRACK = 16384; // runs kept per processor; a power of two
const SAMPLE_MS = 500;
const HISTORY = 360; // samples: three minutes
const RATE_MS = 2000; // what "a second ago" is averaged over, so that figures can be read
const DECISIONS = 256;

class Track {
    constructor() {
        this.count = 0;
        this.start = new Float64Array(TRACK);
        this.end = new Float64Array(TRACK);
        this.decision = new Float64Array(TRACK);
        this.model = new Uint16Array(TRACK);
        this.batch = new Uint16Array(TRACK);
        this.ok = new Uint8Array(TRACK);
    }

    get first() { return Math.max(0, this.count - TRACK); }
    slot(i) { return i & (TRACK - 1); }

    add(model, batch, start, took, ok, decision) {
        const k = this.slot(this.count++);
        this.start[k] = start;
        this.end[k] = start + took;
        this.model[k] = model;
        this.batch[k] = batch;
        this.ok[k] = ok;
        this.decision[k] = decision;
    }

    // Number of the first run that ends after t.
    firstAfter(t) {
        let low = this.first, high = this.count;
        while (low < high) {
            const middle = (low + high) >> 1;
            if (this.end[this.slot(middle)] <= t) low = middle + 1; else high = middle;
        }
        return low;
    }
}

export class State {
    constructor() {
        this.hello = null;
        this.reset();
    }

    reset() {
        this.tracks = [];
        this.last = null; // the newest snapshot
        this.past = []; // counters of the last two seconds
        this.decisions = [];
        this.took = new Map(); // decision -> ms of its run
        this.lost = 0;
        this.offsets = [];
        this.offset = null;
        this.clearHistory();
    }

    clearHistory() {
        this.sampled = -1e9;
        this.history = { time: [], answered: [], late: [], failed: [], power: [], waiting: [], p99: [], busy: [] };
    }

    // True: it is another server, or has other models: all begins anew, but for the history that still belongs to something.
    greet(hello) {
        const key = (m) => `${m.name} ${m.version}`;
        const before = this.hello?.started_unix_ms === hello.started_unix_ms ? this.hello.models.map(key) : null;
        const same = before && before.length === hello.models.length && hello.models.every((m, i) => key(m) === before[i]);
        const old = before ? this.history : null;
        this.hello = hello;
        const place = (fields) => Object.fromEntries(fields.map((f, i) => [f, i]));
        this.m = place(hello.model_fields);
        this.p = place(hello.processor_fields);
        this.r = place(hello.run_fields);
        this.past = [];
        this.offsets = [];
        if (same) {
            this.gap();
            return false;
        }
        this.reset();
        this.tracks = hello.processors.map(() => new Track());
        const carry = (lists) => hello.models.map((m) => lists?.[before.indexOf(key(m))] ?? (old?.time ?? []).map(() => null));
        if (old) this.history = { ...old };
        const h = this.history;
        h.waiting = carry(old?.waiting);
        h.p99 = carry(old?.p99);
        h.busy = old?.busy ?? hello.processors.map(() => []);
        return true;
    }

    // Lines must not bridge the time without a connection.
    gap() {
        if (this.history.time.length === 0) return;
        this.push(Date.now() / 1000, null);
    }

    take(snapshot, localMs) {
        const { r } = this;
        this.last = snapshot;
        this.lost += snapshot.runs_lost;
        for (const run of snapshot.runs) {
            const decision = run[r.decision];
            this.tracks[run[r.processor]]?.add(run[r.model], run[r.batch], run[r.start_ms], run[r.took_ms], run[r.ok], decision);
            if (decision) this.took.set(decision, run[r.took_ms]);
        }
        for (const d of snapshot.decisions) this.decisions.push(d);
        if (this.decisions.length > DECISIONS) this.decisions.splice(0, this.decisions.length - DECISIONS);
        // A map keeps its keys in order of coming: the oldest are first.
        for (const key of this.took.keys()) {
            if (this.took.size <= 8 * DECISIONS) break;
            this.took.delete(key);
        }
        this.past.push(snapshot);
        while (this.past.length > 2 && snapshot.t_ms - this.past[1].t_ms >= RATE_MS) this.past.shift();
        this.setClock(snapshot.t_ms, localMs);
        if (localMs - this.sampled >= SAMPLE_MS) {
            this.sampled = localMs - this.sampled < 2 * SAMPLE_MS ? this.sampled + SAMPLE_MS : localMs;
            this.push(Date.now() / 1000, snapshot);
        }
    }

    // ---- The server's clock: the quickest of the last snapshots was held up least. ----

    setClock(t, localMs) {
        this.offsets.push(localMs - t);
        if (this.offsets.length > 50) this.offsets.shift();
        this.offset = Math.min(...this.offsets);
    }

    // The time to show: a little behind, so that all that happened by then has arrived.
    shownTime(localMs) {
        return localMs - this.offset - 2.5 * this.hello.pace_ms;
    }

    // ---- What follows from counters ----

    // How much a field of a model has grown in a second.
    modelRate(index, ...fields) {
        const [first] = this.past, { last } = this;
        if (!first || first === last) return null;
        const a = first.models[index], b = last.models[index];
        if (!a || !b) return null;
        const grown = fields.reduce((sum, f) => sum + b[this.m[f]] - a[this.m[f]], 0);
        return Math.max(0, grown) * 1000 / (last.t_ms - first.t_ms);
    }

    allRates(...fields) {
        if (!this.hello || this.past.length < 2) return null;
        return this.hello.models.reduce((sum, _, i) => sum + (this.modelRate(i, ...fields) ?? 0), 0);
    }

    busyShare(index) {
        const [first] = this.past, { last } = this;
        if (!first || first === last) return null;
        const grown = last.processors[index][this.p.busy_ms] - first.processors[index][this.p.busy_ms];
        return Math.min(1, Math.max(0, grown / (last.t_ms - first.t_ms)));
    }

    processorRate(index, field) {
        const [first] = this.past, { last } = this;
        if (!first || first === last) return null;
        return Math.max(0, last.processors[index][this.p[field]] - first.processors[index][this.p[field]]) * 1000 /
            (last.t_ms - first.t_ms);
    }

    // Watts, and whether a sensor measured them or the table of costs says so.
    power() {
        const [first] = this.past, { last } = this;
        if (!first || first === last) return { watts: null, measured: false };
        const seconds = (last.t_ms - first.t_ms) / 1000;
        if (last.energy_j !== null && first.energy_j !== null) {
            return { watts: Math.max(0, last.energy_j - first.energy_j) / seconds, measured: true };
        }
        return { watts: last.table_j > 0 ? (last.table_j - first.table_j) / seconds : null, measured: false };
    }

    // The part of the deadlines that were missed lately; null: there were none.
    missShare(index) {
        const due = this.modelRate(index, "with_deadline");
        return due ? Math.min(1, this.modelRate(index, "late", "dropped") / due) : null;
    }

    waiting() {
        return this.last ? this.last.models.reduce((sum, m) => sum + m[this.m.waiting], 0) : null;
    }

    used(processor) {
        const track = this.tracks[processor], info = this.hello.processors[processor];
        return !info.background || (track && track.count > 0);
    }

    push(time, snapshot) {
        const h = this.history, { m } = this;
        const value = (of) => (snapshot ? of() : null);
        h.time.push(time);
        h.answered.push(value(() => this.allRates("completed")));
        h.late.push(value(() => this.allRates("late")));
        h.failed.push(value(() => this.allRates("failed", "dropped")));
        h.power.push(value(() => this.power().watts));
        h.waiting.forEach((list, i) => list.push(value(() => snapshot.models[i]?.[m.waiting] ?? null)));
        h.p99.forEach((list, i) => list.push(value(() => snapshot.models[i]?.[m.p99_ms] ?? null)));
        h.busy.forEach((list, i) => list.push(value(() => (this.busyShare(i) ?? 0) * 100)));
        if (h.time.length <= HISTORY) return;
        for (const list of [h.time, h.answered, h.late, h.failed, h.power, ...h.waiting, ...h.p99, ...h.busy]) list.shift();
    }
}
