// The report page in Chromium, from file:// with no network: are its figures the data's, does it do what it offers,
// does it stay whole with hostile, missing and very much data.
import assert from "node:assert/strict";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const require = createRequire(import.meta.url);
const { assemble } = require("../../web/report/assemble.js");
const { sample, simulated } = require("../../web/report/sample.js");
const SKIP = 77;

function skip(why) {
    console.log(`skipped: ${why}`);
    process.exit(SKIP);
}

let chromium;
try {
    ({ chromium } = require("playwright-core"));
} catch {
    skip("playwright-core is not installed (npm ci at the repository root)");
}
const browsers = [process.env.COSREL_CHROMIUM, ...["chromium", "chromium-browser", "google-chrome"]
    .flatMap((name) => (process.env.PATH || "").split(":").map((dir) => path.join(dir, name)))];
const executablePath = browsers.find((file) => file && fs.existsSync(file));
if (!executablePath) skip("Chromium is not installed (Debian package chromium)");

const folder = fs.mkdtempSync(path.join(os.tmpdir(), "cosrel-report-"));
const browser = await chromium.launch({ executablePath, args: ["--no-sandbox"] }); // CI runs as root in a container
let pages = 0;

// Opens the page made from data. `faults` gathers whatever a browser complains of, and any request beyond the file.
async function open(data, options = {}) {
    const file = path.join(folder, `page${pages++}.html`);
    fs.writeFileSync(file, assemble(typeof data === "string" ? data : JSON.stringify(data)));
    const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, offline: true, ...options });
    const page = await context.newPage();
    page.faults = [];
    page.on("console", (m) => ["error", "warning"].includes(m.type()) && page.faults.push(m.text()));
    page.on("pageerror", (e) => page.faults.push(String(e)));
    page.on("request", (r) => !/^(file|data):/.test(r.url()) && page.faults.push(`request to ${r.url()}`));
    page.on("dialog", (d) => { page.faults.push(`dialog ${d.message()}`); d.dismiss(); });
    await page.goto(pathToFileURL(file).href);
    await frame(page);
    return page;
}

const frame = (page) => page.evaluate(() => new Promise((done) => {
    requestAnimationFrame(() => requestAnimationFrame(done));
}));
const close = (page) => { assert.deepEqual(page.faults, []); return page.context().close(); };
const rowsOf = (page, table) => page.$$eval(`${table} tbody tr`, (rows) => rows.map((r) => ({
    name: r.cells[0].dataset.value, values: [...r.cells].slice(1).map((c) => c.dataset.value),
        texts: [...r.cells].slice(1).map((c) => c.innerText) })));

// By another way than the page's: least and greatest go, again and again, until the middle is left.
function median(values) {
    const left = values.filter((x) => typeof x === "number");
    while (left.length > 2) for (const end of [Math.min(...left), Math.max(...left)]) left.splice(left.indexOf(end), 1);
    return left.reduce((a, b) => a + b, 0) / left.length;
}

const near = (text, expected, what) => assert.ok(text !== ""
    && Math.abs(Number(text) - expected) <= 1e-9 * Math.max(1, Math.abs(expected)),
    `${what}: page ${text}, data ${expected}`);

const tests = {
    async "figures are the medians of the data, for an odd and an even number of rounds"() {
        for (const rounds of [3, 4]) {
            const data = sample({ seed: 5, rounds, seconds: 2 });
            data.runs.forEach((r, i) => { r.energy_j = 10 + (i * 7) % 13; });
            const page = await open(data);
            const overall = await rowsOf(page, "#overall");
            assert.equal(overall.length, data.policies.length);
            for (const row of overall) {
                const runs = data.runs.filter((r) => r.policy === row.name);
                const expected = [runs.map((r) => r.normalized_throughput),
                    runs.map((r) => Math.max(...Object.values(r.models).map((m) => m.deadline_miss_rate ?? 0))),
                    runs.map((r) => r.models.mobilenet_v2.p99_ms), runs.map((r) => r.throughput_rps),
                        runs.map((r) => r.cpu_seconds),
                    runs.map((r) => r.energy_j)];
                assert.equal(row.values.length, expected.length);
                expected.forEach((e, i) => near(row.values[i], median(e), `${row.name} column ${i}`));
                const shown = Number(row.texts[0].split("\n")[0]);
                assert.ok(Math.abs(shown / median(expected[0]) - 1) < 0.006, `${row.name} shows ${shown}`);
                const all = expected[0].sort((a, b) => a - b);
                if (all[0].toPrecision(3) !== all.at(-1).toPrecision(3)) {
                    const least = row.texts[0].split("\n").at(-1).split("\u2013").map(Number);
                    assert.ok(Math.abs(least[0] / all[0] - 1) < 0.006 && Math.abs(least[1] / all.at(-1) - 1) < 0.006,
                        row.texts[0]);
                }
            }
            for (const model of data.model_order) {
                for (const row of await rowsOf(page, `table[data-model="${model}"]`)) {
                    const runs = data.runs.filter((r) => r.policy === row.name).map((r) => r.models[model]);
                    const keys = ["rps", "p50_ms", "p99_ms"].concat(model === "resnet50" ? [] : ["deadline_miss_rate"]);
                    keys.forEach((k, i) => near(row.values[i], median(runs.map((r) => r[k])),
                        `${model} ${row.name} ${k}`));
                }
            }
            await close(page);
        }
    },

    async "the claim on top names the best policy and its gain over ort-default"() {
        const data = sample({ seed: 2, seconds: 2, rounds: 1, policies: ["ort-default", "max-weight"] });
        for (const [i, normalized, miss] of [[0, 0.8, 0.2], [1, 1.2, 0.001]]) {
            data.runs[i].normalized_throughput = normalized;
            for (const m of Object.values(data.runs[i].models)) {
                if (m.deadline_miss_rate !== null) m.deadline_miss_rate = miss;
            }
        }
        let page = await open(data);
        assert.equal(await page.innerText(".claim"),
            "max-weight does 1.50 times the work of ort-default and keeps its deadlines.");
        assert.equal(await page.locator("#overall tbody tr").first().getAttribute("class"), "best");
        await close(page);
        for (const r of data.runs) r.models.mobilenet_v2.deadline_miss_rate = 0.25;
        page = await open(data);
        assert.equal(await page.innerText(".claim"),
            "max-weight does 1.50 times the work of ort-default, but misses 25.0\u00a0% of a model's deadlines.");
        await close(page);
        // More work while deadlines are missed is not better than keeping them.
        data.runs[1].models.mobilenet_v2.deadline_miss_rate = 0.5;
        for (const m of Object.values(data.runs[0].models)) if (m.deadline_miss_rate !== null) m.deadline_miss_rate = 0;
        page = await open(data);
        assert.equal(await page.innerText(".claim"), "Nothing here did better than ort-default.");
        await close(page);
    },

    async "a simulation says so everywhere, and leaves out what only a measurement has"() {
        const data = simulated({ seed: 4, seconds: 2 });
        assert.ok(data.policies.length > 1);
        for (const colorScheme of ["light", "dark"]) for (const width of [1280, 360]) {
            const page = await open(data, { colorScheme, viewport: { width, height: 900 } });
            assert.equal(await page.innerText(".brand b"), "cosrel sim");
            assert.match(await page.innerText(".claim"), /^Simulated on Invented Board: .+ did best, with a normalized /);
            assert.match(await page.innerText("#headline .notice"), /^A simulation\. No model ran: /);
            assert.match(await page.innerText("#timeline"), /the first 2\D000 or so of each policy, from the middle/);
            assert.match(await page.innerText("#method"), /Invented Board, as board\.csv describes it/);
            const text = await page.innerText("body");
            assert.doesNotMatch(text, /CPU seconds|\brounds\b|\bround \d|measured|on all cores|Machine|Emulated|undefined|NaN/i);
            assert.equal(await page.locator("#overall tbody tr").count(), data.policies.length);
            assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth));
            await close(page);
        }
        // One policy, requests of a file, times that are days.
        const one = simulated({ seed: 4, seconds: 2, policies: [data.policies[0].name] });
        one.workload = { name: "rows.csv", seconds: 259200,
            streams: [{ model: "resnet50", kind: "recorded", requests: 1234, deadline_ms: null }] };
        one.simulation.from_middle = false;
        const page = await open(one);
        assert.match(await page.innerText(".claim"), / reached a normalized throughput of /);
        assert.match(await page.innerText("#headline .ran"), /requests of 3 days\./);
        assert.match(await page.innerText("#timeline"), /or so of each policy\.\n/);
        assert.match(await page.innerText("#method"), /resnet50 1\D?\d+ recorded requests/);
        await close(page);
    },

    async "equal work is decided by the tail of the tightest stream"() {
        const data = sample({ seed: 2, seconds: 2, rounds: 1, policies: ["ort-1thread", "max-weight"] });
        for (const r of data.runs) {
            for (const m of Object.values(r.models)) if (m.deadline_miss_rate !== null) m.deadline_miss_rate = 0;
        }
        const first = async (most, p99) => {
            data.runs.forEach((r, i) => {
                r.normalized_throughput = most[i];
                r.models.mobilenet_v2.p99_ms = p99[i];
            });
            const page = await open(data), name = (await rowsOf(page, "#overall"))[0].name;
            await close(page);
            return name;
        };
        assert.equal(await first([1.01, 1], [20, 10]), "max-weight");
        assert.equal(await first([1.01, 1], [10, 20]), "ort-1thread");
        assert.equal(await first([1.1, 1], [20, 10]), "ort-1thread");
        assert.equal(await first([1, 1.1], [10, 20]), "max-weight");
    },

    async "columns sort both ways, empty cells last"() {
        const data = sample({ seed: 3, seconds: 2, rounds: 2 });
        for (const r of data.runs) if (r.policy === "max-weight") r.cpu_seconds = null;
        const page = await open(data);
        const button = page.locator("#overall thead button");
        const column = async (i) => (await rowsOf(page, "#overall")).map((r) => r.values[i]);
        await button.nth(1).click();
        let v = (await column(0)).map(Number);
        assert.deepEqual(v, [...v].sort((a, b) => b - a));
        assert.equal(await page.locator("#overall th").nth(1).getAttribute("aria-sort"), "descending");
        await button.nth(1).press("Enter");
        v = (await column(0)).map(Number);
        assert.deepEqual(v, [...v].sort((a, b) => a - b));
        for (let i = 0; i < 2; i++) {
            await button.nth(5).click();
            assert.equal((await column(4)).at(-1), "");
        }
        await button.nth(0).click();
        const names = (await rowsOf(page, "#overall")).map((r) => r.name);
        assert.deepEqual(names, [...names].sort());
        await close(page);
    },

    async "the policy picker, the policy beside and the round change the timeline"() {
        const data = sample({ seed: 4, seconds: 2, rounds: 2 });
        const page = await open(data);
        const shown = () => page.$$eval(".lanes canvas",
            (all) => all.map((c) => [c.dataset.policy, c.getAttribute("aria-label")]));
        assert.deepEqual((await shown()).map((s) => s[0]), ["least-slack", "ort-default"]);
        await page.getByRole("radio", { name: "max-weight" }).check();
        assert.deepEqual((await shown()).map((s) => s[0]), ["max-weight", "ort-default"]);
        const pixels = () => page.$eval(".lanes canvas", (c) => c.toDataURL());
        const [label, before] = [(await shown())[0][1], (await frame(page), await pixels())];
        await page.selectOption("#round", { label: "2" });
        await frame(page);
        assert.ok(await pixels() !== before, "the second round looks like the first");
        const run = data.runs.filter((r) => r.policy === "max-weight")[1];
        assert.ok((await shown())[0][1].includes(`cpu0, ${run.timeline.tracks[0].runs.length} runs`), label);
        await page.selectOption("#beside", "");
        assert.deepEqual((await shown()).map((s) => s[0]), ["max-weight"]);
        await page.getByRole("button", { name: "resnet50" }).click();
        assert.equal(await page.getByRole("button", { name: "resnet50" }).getAttribute("aria-pressed"), "true");
        await close(page);
    },

    async "hover says what a run is; wheel, drag, buttons and keys zoom and pan"() {
        const data = sample({ seed: 1, seconds: 2, rounds: 1, policies: ["max-weight"] });
        // One processor, 100 ms; one run from 40 to 60 ms, late, of batch 3.
        data.runs[0].timeline = { start_ms: 500, end_ms: 600,
            tracks: [{ processor: "npu0.bg", runs: [[1, 540, 560, 3, 1]] }] };
        const page = await open(data);
        const canvas = page.locator(".lanes canvas");
        await canvas.scrollIntoViewIfNeeded();
        await page.waitForTimeout(400); // who has just scrolled the page is not zooming
        const box = await canvas.boundingBox();
        const y = box.y + 24 + 19 + 10, at = (share) => box.x + box.width * share;
        const tip = page.locator("#tip");
        const over = async (share) => { await page.mouse.move(at(share), y); await frame(page);
            return tip.isVisible(); };
        assert.equal(await over(0.3), false);
        assert.equal(await over(0.5), true);
        const text = await tip.innerText();
        for (const part of ["ssd_mobilenet_v2", "npu0 background (emulated)", "batch 3",
            "starts at 40.00 ms", "takes 20.0 ms",
            "late"]) {
            assert.ok(text.includes(part), `${part} in: ${text}`);
        }
        await page.mouse.wheel(0, -600);
            // about the middle, beyond the factor 2 that brings 0.3 inside the run's 0.4 to 0.6
        await frame(page);
        assert.equal(await over(0.3), true);
        await page.mouse.move(at(0.2), y);
        await page.mouse.down();
        await page.mouse.move(at(0.9), y, { steps: 4 });
        await page.mouse.up();
        await frame(page);
        assert.equal(await over(0.05), false);
        await page.getByRole("button", { name: "Show all" }).click();
        assert.equal(await over(0.3), false);
        assert.equal(await over(0.41), true);
        await canvas.focus();
        for (let i = 0; i < 3; i++) await page.keyboard.press("+");
        assert.equal(await over(0.2), true);
        for (let i = 0; i < 20; i++) await page.keyboard.press("ArrowLeft");
        assert.equal(await over(0.2), false);
        await page.keyboard.press("l");
        assert.equal(await tip.isVisible(), true);
        assert.ok((await tip.innerText()).includes("late"));
        await page.keyboard.press("0");
        assert.equal(await over(0.3), false);
        await close(page);
    },

    async "latency strips tell the share within a latency"() {
        const data = sample({ seed: 1, seconds: 2, rounds: 1, policies: ["max-weight"] });
        data.runs[0].models.mobilenet_v2.histogram = [[1, 50], [1.05, 0], [10, 25], [100, 25]];
        const page = await open(data);
        const strip = page.locator('table[data-model="mobilenet_v2"] .strip');
        await strip.scrollIntoViewIfNeeded();
        const box = await strip.boundingBox(), seen = [];
        for (const share of [0.4, 0.999]) {
            await page.mouse.move(box.x + box.width * share, box.y + 9);
            seen.push(await page.innerText("#tip b"));
        }
        assert.ok(seen[0].startsWith("50.0\u00a0%"), seen[0]);
        assert.ok(seen[1].startsWith("100\u00a0%"), seen[1]);
        assert.ok((await strip.locator(".over").getAttribute("d")).length > 0);
        await close(page);
    },

    async "failures are told, and who got least of a closed loop"() {
        const data = sample({ seed: 1, seconds: 1, rounds: 3, policies: ["ort-default", "max-weight"] });
        data.workload.streams = data.model_order.map((model) => ({ model, kind: "closed", rate_hz: null,
            deadline_ms: null,
            in_flight: 1, priority: "high" }));
        data.alone = Object.fromEntries(data.model_order.map((m) => [m, 100]));
        data.runs.forEach((r, i) => data.model_order.forEach((m, k) => {
            Object.assign(r.models[m], { deadline_miss_rate: null, rps: 40 + i - 10 * k,
                failed: i === 0 && k < 2 ? 6 : 0 });
        }));
        data.runs[2].problem = "the model resnet50 cannot run on cpu7";
        const page = await open(data);
        assert.equal(await page.locator("#overall th", { hasText: "deadlines missed" }).count(), 0);
        const column = await page.$$eval("#overall thead th",
            (all) => all.findIndex((e) => e.innerText.startsWith("least served")));
        for (const row of await rowsOf(page, "#overall")) {
            near(row.values[column - 1], row.name === "ort-default" ? 0.12 : 0.13, `least served by ${row.name}`);
        }
        const text = await page.innerText("main");
        for (const part of ["12 requests failed", "ort-default, round 2: the model resnet50 cannot run on cpu7",
            "priority high"]) {
            assert.ok(text.includes(part), part);
        }
        await close(page);
        // A model that is served faster beside others than alone: more than 100 %.
        data.alone = Object.fromEntries(data.model_order.map((m) => [m, 8]));
        const other = await open(data);
        assert.ok((await rowsOf(other, "#overall")).some((r) => r.texts[column - 1].startsWith("150.0")));
        await close(other);
    },

    async "hostile text stays text"() {
        const evil = "</script><img src=x onerror=alert(1)><script>alert(2)</script>/*{js}*/$&\u2028\"'`";
        const poison = (x) => {
            if (typeof x === "string") return evil + x;
            if (Array.isArray(x)) return x.map(poison);
            if (x && typeof x === "object") return Object.fromEntries(Object.entries(x)
                .map(([k, v]) => [k, poison(v)]));
            return x;
        };
        const data = poison(sample({ seed: 1, seconds: 1, rounds: 1 }));
        for (const holder of [data, ...data.runs]) {
            for (const key of ["alone", "models", "processors"]) {
                if (holder[key] && !Array.isArray(holder[key])) {
                    holder[key] = Object.fromEntries(Object.entries(holder[key]).map(([k, v]) => [evil + k, v]));
                }
            }
        }
        data.model_order.push("__proto__", "constructor");
        data.workload.streams.push({ model: "__proto__", kind: "closed", rate_hz: null, deadline_ms: null,
            in_flight: 1, priority: "normal" });
        const page = await open(data);
        assert.equal(await page.locator("img").count(), 0);
        assert.equal(await page.locator("script").count(), 2);
        assert.ok((await page.innerText("#overall")).includes("<img src=x onerror=alert(1)>"));
        assert.equal(await page.locator(".models").count(), 6);
        const canvas = page.locator(".lanes canvas").first();
        await canvas.focus();
        await page.keyboard.press(".");
        assert.ok((await page.innerText("#tip")).includes("</script>"));
        await close(page);
    },

    async "missing pieces leave the rest whole"() {
        const full = () => sample({ seed: 1, seconds: 1, rounds: 2 });
        const without = (change) => { const data = full(); change(data); return data; };
        const cases = {
            "no timelines": without((d) => d.runs.forEach((r) => { r.timeline = null; })),
            "one timeline": without((d) => d.runs.forEach((r, i) => { if (i !== 3) r.timeline = null; })),
            "an empty timeline": without((d) => d.runs.forEach((r) => { r.timeline = { start_ms: 0, end_ms: 0,
                tracks: [] }; })),
            "one policy": sample({ seed: 1, seconds: 1, rounds: 1, policies: ["ort-default"] }),
            "no baseline": sample({ seed: 1, seconds: 1, rounds: 1, policies: ["max-weight", "least-slack"] }),
            "stopped in the second round": without((d) => { d.runs.length = 10; d.rounds = 3; }),
            "no profile, no notes, no processors": without((d) => { d.profile = []; d.notes = []; d.processors = []; }),
            "nothing was completed": without((d) => d.runs.forEach((r) => Object.values(r.models).forEach((m) => {
                Object.assign(m, { completed: 0, rps: 0, mean_ms: 0, p50_ms: 0, p95_ms: 0, p99_ms: 0,
                    deadline_miss_rate: null, histogram: [] });
            }))),
            "models that some runs lack": without((d) => { d.runs[0].models = {}; delete d.runs[1].models.resnet50; }),
            "no deadlines": without((d) => { d.workload.streams.forEach((s) => { s.deadline_ms = null; });
                d.runs.forEach((r) => Object.values(r.models).forEach((m) => { m.deadline_miss_rate = null; })); }),
            "nulls": without((d) => { d.machine = null; d.alone = null; d.workload = null; d.profile = null; }),
        };
        for (const [name, data] of Object.entries(cases)) {
            const page = await open(data);
            const text = await page.innerText("body");
            assert.equal(await page.locator("#overall tbody tr").count(),
                new Set(data.runs.map((r) => r.policy)).size, name);
            assert.ok(!/NaN|undefined|null|Infinity|\[object/.test(text),
                `${name}: ${text.match(/.*(NaN|undefined|null|Infinity|\[object).*/)?.[0]}`);
            if (name === "no timelines") assert.ok(text.includes("No timeline was recorded"));
            if (name === "stopped in the second round") assert.ok(text.includes("1 of 2 rounds")
                && text.includes("of 3 asked for"));
            if (name === "one timeline") assert.equal(await page.locator(".picker input:enabled").count(), 1);
            await close(page);
        }
        for (const runs of [[], undefined]) {
            const page = await open({ title: "Nothing", runs });
            assert.equal(await page.innerText(".claim"), "No run was completed.");
            await close(page);
        }
    },

    async "many long timelines load, and show only what can be seen"() {
        const data = sample({ seed: 1, seconds: 1, rounds: 1 });
        const one = data.runs[0];
        data.runs = Array.from({ length: 20 }, (_,
            k) => ({ ...one, policy: data.policies[k % 5].name, round: Math.floor(k / 5) + 1,
            timeline: { start_ms: 0, end_ms: 20000, tracks: ["cpu0", "cpu1"].map((processor) => ({ processor,
                runs: Array.from({ length: 2500 }, (_, i) => [i % 4, i * 8, i * 8 + 7.5, 1,
                    i % 50 === 0 ? 1 : 0]) })) } }));
        const page = await open(data);
        await page.getByRole("button", { name: "Show all" }).click();
        const canvas = page.locator(".lanes canvas").first();
        await canvas.focus();
        for (let i = 0; i < 30; i++) { await page.keyboard.press(i % 2 ? "+" : "-"); await frame(page); }
        assert.ok((await canvas.getAttribute("aria-label")).includes("2\u202f500 runs, 50 late"));
        await close(page);
    },

    async "fits wide and narrow, light, dark and paper"() {
        const data = sample({ seed: 1, seconds: 1, rounds: 2 });
        data.policies[6].name = "learned:a_very_long_file_name_without_any_break_in_it_at_all.policy";
        data.runs.forEach((r) => { if (r.policy === "least-slack") r.policy = data.policies[6].name; });
        const grounds = new Set();
        for (const width of [320, 400, 760, 1280]) {
            for (const colorScheme of ["light", "dark"]) {
                const page = await open(data, { viewport: { width, height: 800 }, colorScheme });
                const [wide, ground] = await page.evaluate(() => [document.documentElement.scrollWidth,
                    getComputedStyle(document.body).backgroundColor]);
                assert.ok(wide <= width, `${wide} pixels wide at ${width}`);
                grounds.add(ground);
                if (width === 1280) {
                    await page.emulateMedia({ media: "print" });
                    assert.equal(await page.evaluate(() => getComputedStyle(document.body).backgroundColor),
                        "rgb(255, 255, 255)");
                    assert.equal(await page.locator(".picker").isVisible(), false);
                }
                await close(page);
            }
        }
        assert.equal(grounds.size, 2);
    },

    async "headings go down step by step, controls have names, text has contrast"() {
        for (const colorScheme of ["light", "dark"]) {
            const page = await open(sample({ seed: 1, seconds: 1, rounds: 2 }), { colorScheme });
            const levels = await page.$$eval("h1, h2, h3", (all) => all.map((e) => Number(e.tagName[1])));
            assert.equal(levels.filter((l) => l === 1).length, 1);
            levels.forEach((l, i) => assert.ok(i === 0 || l <= levels[i - 1] + 1, `h${levels[i - 1]} before h${l}`));
            const nameless = await page.$$eval("button, select, canvas[tabindex], [role=img]",
                (all) => all.filter((e) =>
                !(e.getAttribute("aria-label") || e.textContent.trim() || e.closest("label")?.textContent.trim()))
                    .map((e) => e.outerHTML));
            assert.deepEqual(nameless, []);
            // WCAG 2.1, 1.4.3: at least 4.5 for text of this size.
            const low = await page.evaluate(() => {
                const rgb = (text) => text.match(/[\d.]+/g).map(Number);
                const light = (c) => { const [r, g,
                    b] = c.map((v) => (v / 255 <= 0.03928 ? v / 255 / 12.92 : ((v / 255 + 0.055) / 1.055) ** 2.4));
                    return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
                const found = new Set();
                const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
                while (walk.nextNode()) {
                    const e = walk.currentNode.parentElement;
                    if (!walk.currentNode.data.trim() || e.closest("script, [hidden], noscript, option")) continue;
                    let ground = e, colour;
                    do { colour = rgb(getComputedStyle(ground).backgroundColor); ground = ground.parentElement;
                        } while (colour[3] === 0);
                    const [a, b] = [light(rgb(getComputedStyle(e).color).slice(0, 3)),
                        light(colour.slice(0, 3))].sort((x, y) => y - x);
                    const contrast = (a + 0.05) / (b + 0.05);
                    if (contrast < 4.5) found.add(`${e.className || e.tagName}: ${contrast.toFixed(2)}`);
                }
                return [...found];
            });
            assert.deepEqual(low, []);
            await close(page);
        }
    },
};

let failed = 0;
for (const [name, test] of Object.entries(tests)) {
    try {
        await test();
        console.log(`ok   ${name}`);
    } catch (error) {
        failed++;
        console.log(`FAIL ${name}\n${error.stack}`);
    }
}
await browser.close();
fs.rmSync(folder, { recursive: true, force: true });
process.exit(failed ? 1 : 0);
