// An independent referee for `cosrel sim`: judges its traces (judge.mjs) and compares its figures with the baselines as they are
// written down a second time (baselines.mjs), on the project's device tables and on tables made here (batches, missing
// rows, cores that are shared), from half the capacity to above it.
//
//     node test_referee.mjs COSREL [PROFILES]
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { names, simulate } from "./baselines.mjs";
import { judge, readArrivals, readDevice, summary } from "./judge.mjs";

const [program, profiles] = process.argv.slice(2);
const folder = fs.mkdtempSync(path.join(os.tmpdir(), "cosrel-referee-"));
const TOLERANCE = 1e-3; // the promise: 0.1 %

// Numerical Recipes' generator: the arrivals must not depend on the version of node.
let state = 1;
const random = () => (state = (Math.imul(state, 1664525) + 1013904223) >>> 0) / 2 ** 32;
const exponential = (mean) => -mean * Math.log(1 - random());

function cosrel(...args) {
    const done = spawnSync(program, args, { encoding: "utf8", maxBuffer: 1 << 28 });
    assert.equal(done.status, 0, `cosrel ${args.join(" ")}: ${done.stderr || done.error}`);
    return done.stdout;
}

const HEAD = "device,processor,model,precision,framework,batch,latency_ms,power_w,energy_mj,source\n";

// Rows that differ in every digit, so that nothing ties by chance; some cells are missing.
function writeDevice(name, processors, modelCount, batches) {
    const file = path.join(folder, `${name}.csv`);
    let text = HEAD;
    for (let m = 0; m < modelCount; m++) {
        const scale = 1 + 40 * random() * random();
        processors.forEach((p, i) => {
            if (i > 0 && random() < 0.15) return;
            const cores = p.match(/^cpu\d+-\d+$/) ? 0.6 : 1, one = scale * cores * (0.3 + 2 * random());
            for (const b of batches) {
                const ms = one * (1 + (b - 1) * (0.25 + 0.5 * random()));
                const [power, energy] = random() < 0.5 ? [(1 + random()).toFixed(3), ""] : ["", (ms * 2).toFixed(4)];
                text += `made,${p},model_${m},fp32,none,${b},${ms.toFixed(4)},${power},${energy},made\n`;
            }
        });
    }
    fs.writeFileSync(file, text);
    return file;
}

function writeArrivals(device, load, count) {
    const weights = device.models.map(() => 0.2 + random()), sum = weights.reduce((a, b) => a + b);
    const mix = device.models.map((m, i) => `${m}=${(weights[i] / sum).toFixed(6)}`).join();
    const rate = load * JSON.parse(cosrel("bound", "--device", device.file, "--mix", mix, "--json")).capacity_rps;
    let t = 0, text = "t_ms,model,deadline_ms\n";
    for (let i = 0; i < count; i++) {
        let at = random() * sum, m = 0;
        while (m + 1 < weights.length && (at -= weights[m]) > 0) m++;
        if (random() > 0.05) t += exponential(1e3 / rate); // else in the same instant
        const deadline = random() < 0.5 ? (2e3 * device.models.length * random() / rate).toFixed(3) : "";
        text += `${t.toFixed(4)},${device.models[m]},${deadline}\n`;
    }
    const file = path.join(folder, `arrivals.csv`);
    fs.writeFileSync(file, text);
    return file;
}

const traceFile = path.join(folder, "trace.jsonl");

function run(device, arrivals, policy, ...more) {
    const out = cosrel("sim", "--device", device.file, "--arrivals", arrivals, "--policy", policy, "--trace", traceFile,
        "--json", ...more);
    return { result: JSON.parse(out), trace: fs.readFileSync(traceFile, "utf8") };
}

const near = (a, b) => Math.abs(a - b) <= TOLERANCE * Math.max(Math.abs(a), Math.abs(b));

function compare(what, result, own) {
    for (const [key, value] of Object.entries(own))
        assert.ok(near(result[key], value), `${what}: ${key} is ${result[key]}, the referee says ${value}`);
}

const RESULT_KEYS = "policy,served,dropped,mean_ms,p50_ms,p99_ms,throughput_rps,deadline_miss_rate,energy_mj_per_request,"
    + "decisions,decision_us_p50,decision_us_p99";

// One policy: its trace is possible, its figures are those of its trace, and what a baseline does is what it should do.
function examine(device, file, policy, ...more) {
    const arrivals = readArrivals(file, device);
    const { result, trace } = run(device, file, policy, ...more);
    const what = `${path.basename(device.file)}, ${policy} ${more.join(" ")}`;
    assert.equal(Object.keys(result).join(), RESULT_KEYS, what);
    assert.equal(result.policy, policy);
    const judged = judge(device, arrivals, trace, { dropLate: more.includes("--drop-late") });
    assert.deepEqual(judged.faults.slice(0, 5), [], what);
    const own = summary(arrivals, judged);
    compare(what, result, { ...own, energy_mj_per_request: judged.energy_mj / own.served });
    if (!more.length && names(device).includes(policy)) {
        const again = simulate(device, arrivals, policy);
        compare(`${what}, simulated again`, result, summary(arrivals, { latency: again.latency, lastEnd: again.last }));
    }
}

// A referee that finds nothing in a broken trace would be worth nothing.
function refereeSees(device, file) {
    const arrivals = readArrivals(file, device);
    const { trace } = run(device, file, "min-min");
    const lines = trace.trimEnd().split("\n").map((line) => JSON.parse(line));
    const dispatch = lines.findIndex((e, i) => e.type === "dispatch" && i > 50);
    const broken = [
        (all) => all.splice(dispatch, 1), // lost
        (all) => all.push({ ...all[dispatch], t_ms: all.at(-1).t_ms + 1e3, end_ms: all.at(-1).t_ms + 1e3 }), // twice
        (all) => { all[dispatch].end_ms += 0.002; },
        (all) => { all[dispatch].t_ms -= 0.1; all[dispatch].end_ms -= 0.1; },
        (all) => { all[dispatch].requests = [arrivals.length - 1]; },
        (all) => { all[dispatch].processor = "tpu"; },
        (all) => { all[dispatch].note = 1; },
        (all) => { const run = all.splice(dispatch, 1)[0]; all.unshift(run); },
        (all) => { all[dispatch] = { type: "drop", t_ms: all[dispatch].t_ms, id: all[dispatch].requests[0], reason: "late" }; },
        (all) => { // two runs at once
            const next = all.findIndex((e, i) => i > dispatch && e.type === "dispatch" && e.processor === all[dispatch].processor);
            all.splice(dispatch + 1, 0, { ...all[next], t_ms: all[dispatch].t_ms,
                end_ms: all[dispatch].t_ms + all[next].end_ms - all[next].t_ms });
            all.splice(next + 1, 1);
        },
    ];
    assert.deepEqual(judge(device, arrivals, trace).faults, []);
    broken.forEach((spoil, i) => {
        const all = structuredClone(lines);
        spoil(all);
        const text = all.map((e) => JSON.stringify(e)).join("\n");
        assert.ok(judge(device, arrivals, text).faults.length > 0, `the referee overlooks fault ${i}`);
    });
}

try {
    const devices = [
        writeDevice("apart", ["dsp", "gpu0", "npu0", "vpu"], 6, [1]),
        writeDevice("batches", ["gpu0", "gpu1", "npu0"], 5, [1, 2, 4, 8]),
        writeDevice("cores", ["cpu0", "cpu1", "cpu0-1", "gpu0"], 5, [1]),
        writeDevice("many", ["cpu0", "cpu1", "cpu2", "cpu3", "cpu0-1", "cpu2-3", "cpu0-3", "cpu0+2-3", "npu0"], 7, [1, 3]),
    ];
    const tables = profiles && fs.existsSync(profiles) ? fs.readdirSync(profiles).filter((f) => f.endsWith(".csv")).sort() : [];
    let examined = 0;
    [...devices, ...tables.map((f) => path.join(profiles, f))].forEach((file, i) => {
        const device = readDevice(file);
        // Starting the command is what takes long: one load for each of the project's tables.
        for (const load of i < devices.length ? [0.5, 1.2] : [[0.6], [0.9], [1.1]][i % 3]) {
            const arrivals = writeArrivals(device, load, 400);
            if (examined === 0) refereeSees(device, arrivals);
            const slow = i % 2 ? /^single:(cpu0|gpu0|npu2)$/ : /^single:cpu/; // not every one of nine
            const policies = names(device).filter((name) => !name.startsWith("single:") || slow.test(name));
            for (const policy of [...policies, "priced", "lookahead:5"]) {
                examine(device, arrivals, policy);
                examined++;
            }
            examine(device, arrivals, "least-slack", "--drop-late");
        }
    });
    console.log(`${examined} simulations agree with the referee`);
} finally {
    fs.rmSync(folder, { recursive: true });
}
