// The live page in Chromium before a real `cosrel serve` on a free port of the loopback: does it load, draw what runs,
// follow the load, take orders from the keyboard, and come back after the server was killed.
//
//     node test_live.mjs PROGRAM [WORD]     the tests, or those whose names hold WORD
//     node test_live.mjs PROGRAM --bench    how long a frame takes with 8 processors and 20 models: prints, never fails
import assert from "node:assert/strict";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { createRequire } from "node:module";
import { TOKEN, ask, load, makeBoard, makeModels, serve } from "./live_server.mjs";

const require = createRequire(import.meta.url);
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

const [program, bench] = process.argv.slice(2);
const folder = fs.mkdtempSync(path.join(os.tmpdir(), "cosrel-live-"));
const MODELS = ["keyword_spotter", "small_cnn"];
const RATES = { keyword_spotter: 25, small_cnn: 25 };
makeModels(program, folder, MODELS);
const options = ["--admin-token", TOKEN, "--processors", "cpu0"]; // leaves the other cores to the browser
const browser = await chromium.launch({ executablePath, args: ["--no-sandbox"] }); // CI runs as root in a container
let server = await serve(program, folder, options);
let clients = await load(server.port, RATES);

async function open(settings = {}, port = server.port) {
    const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, ...settings });
    const page = await context.newPage();
    await page.addInitScript(COPY);
    page.faults = [];
    page.on("console", (m) => ["error", "warning"].includes(m.type()) && page.faults.push(m.text()));
    page.on("pageerror", (e) => page.faults.push(String(e)));
    page.on("request", (r) => new URL(r.url()).host !== `127.0.0.1:${port}` && page.faults.push(`request to ${r.url()}`));
    await page.goto(`http://127.0.0.1:${port}/`);
    await page.waitForFunction(() => document.querySelector("#connection").textContent === "live");
    return page;
}
const close = (page) => { assert.deepEqual(page.faults, []); return page.context().close(); };
const until = (page, what, ...more) => page.waitForFunction(what, ...more, { timeout: 20000 });
const number = (text) => Number(text.replace(/[^\d.]/g, ""));

// The timeline's pixels, by way of a copy: one that is read back often is drawn in another way, and the browser says so.
const COPY = `window.copyOf = (canvas) => {
    const copy = Object.assign(document.createElement("canvas"), { width: canvas.width, height: canvas.height });
    const c = copy.getContext("2d", { willReadFrequently: true });
    c.drawImage(canvas, 0, 0);
    return c.getImageData(0, 0, copy.width, copy.height).data;
}`;

// How many of them have a colour of a model's, nearly.
const coloured = (page, colour) => page.$eval("#timeline", (canvas, [r, g, b]) => {
    const data = copyOf(canvas);
    let found = 0;
    for (let i = 0; i < data.length; i += 4) {
        found += Math.abs(data[i] - r) + Math.abs(data[i + 1] - g) + Math.abs(data[i + 2] - b) < 12;
    }
    return found;
}, colour);
const KEYWORD = [0x00, 0x72, 0xb2], CNN = [0xe6, 0x9f, 0x00];

const tests = {
    async "it loads, without a word in the console and without another host"() {
        const page = await open();
        assert.equal(await page.title(), "Cosrel live");
        await until(page, () => document.querySelectorAll("#models tbody tr").length === 2);
        assert.deepEqual(await page.$$eval("#models tbody th", (all) => all.map((e) => e.innerText.trim())), MODELS);
        await until(page, () => document.querySelector("#tile-policy dd").innerText === "learned"); // with the first snapshot
        assert.match(await page.innerText("#about"), /^Cosrel \d+\.\d+\.\d+, started /);
        await close(page);
    },

    async "it draws the runs in the colours of their models, and charts"() {
        const page = await open();
        await page.waitForTimeout(2500);
        for (const colour of [KEYWORD, CNN]) assert.ok(await coloured(page, colour) > 100, `few pixels of ${colour}`);
        assert.equal(await page.locator(".plot canvas").count(), 4);
        for (const plot of await page.$$(".plot canvas")) {
            const inked = await plot.evaluate((c) => copyOf(c).some((v, i) => i % 4 === 3 && v > 0));
            assert.ok(inked, "a chart is blank");
        }
        // What is brought out stays, the other fades.
        await page.locator("#legend button").first().click();
        await page.waitForTimeout(300);
        assert.ok(await coloured(page, KEYWORD) > 50);
        assert.equal(await coloured(page, CNN), 0);
        await close(page);
    },

    async "it follows the load"() {
        const page = await open();
        const figures = () => page.$$eval("#models tbody tr", (rows) => rows.map((r) => [...r.cells].map((c) => c.innerText)));
        const answered = () => page.innerText("#tile-answered .note").then(number);
        await until(page, () => /\d/.test(document.querySelector("#models tbody tr td:nth-child(7)").textContent));
        const before = await answered();
        await page.waitForTimeout(3000);
        assert.ok(await answered() > before + 20, "the count of answers stands still");
        for (const cells of await figures()) {
            assert.ok(number(cells[2]) > 3, `${cells[0]}: ${cells[2]} a second`);
            assert.match(cells[6], /^[\d.]+.ms$/);
            assert.match(cells[8], /^\d+ of \d+$/);
        }
        await until(page, () => document.querySelectorAll("#decisions tbody tr").length > 3);
        const decision = await page.$$eval("#decisions tbody tr", (rows) => rows.map((r) => r.innerText).join("\n"));
        assert.match(decision, /(keyword_spotter|small_cnn).*cpu0/);
        const label = await page.getAttribute("#timeline", "aria-label");
        await until(page, (old) => document.querySelector("#timeline").getAttribute("aria-label") !== old, label);
        assert.match(await page.getAttribute("#timeline", "aria-label"), /cpu0 \d+ % busy/);
        await close(page);
    },

    async "models come and go"() {
        const page = await open();
        const names = () => page.$$eval("#models tbody tr", (rows) => rows.map((r) => r.cells[0].innerText.split("\n")[0].trim()));
        const change = async (what) => {
            const answer = await ask(server.port, "POST", `/v2/repository/models/a_newcomer/${what}`, "",
                { authorization: `Bearer ${TOKEN}` });
            assert.equal(answer.status, 200, String(answer.body));
        };
        const before = await names();
        assert.ok(before.length === 2 && !before.join().includes("a_newcomer"));
        fs.copyFileSync(path.join(folder, "keyword_spotter.onnx"), path.join(folder, "a_newcomer.onnx"));
        await change("load");
        await until(page, () => document.querySelector("#models").innerText.includes("a_newcomer"));
        assert.equal((await names()).length, 3);
        await until(page, () => /\d/.test(document.querySelector("#models tbody tr td:nth-child(7)").textContent));
        await change("unload");
        await until(page, () => !document.querySelector("#models").innerText.includes("a_newcomer"));
        assert.deepEqual(await names(), before);
        fs.unlinkSync(path.join(folder, "a_newcomer.onnx"));
        await close(page);
    },

    async "pause holds the picture, and goes on from now"() {
        const page = await open();
        await page.waitForTimeout(1500);
        const pixels = () => page.$eval("#timeline", (c) => c.toDataURL());
        await page.click("#pause");
        await page.waitForTimeout(200);
        const [first, rows] = [await pixels(), await page.innerText("#models")];
        await page.waitForTimeout(1200);
        assert.ok(await pixels() === first && await page.innerText("#models") === rows, "it moved");
        assert.equal(await page.innerText("#connection"), "paused");
        await page.click("#pause");
        await page.waitForTimeout(700);
        assert.ok(await pixels() !== first, "it does not move");
        await close(page);
    },

    async "run after run can be read with the keyboard"() {
        const page = await open();
        await page.waitForTimeout(2000);
        await page.focus("#timeline");
        await page.keyboard.press("ArrowLeft");
        const first = await page.textContent("#spoken");
        assert.match(first, /^(keyword_spotter|small_cnn), cpu0, took [\d.]+.ms/);
        for (let i = 0; i < 5; i++) await page.keyboard.press("ArrowLeft");
        assert.ok(await page.isVisible("#tip"));
        assert.notEqual(await page.textContent("#spoken"), first);
        assert.equal(await page.innerText("#connection"), "paused");
        await page.keyboard.press("Escape");
        assert.equal(await page.isVisible("#tip"), false);
        await page.keyboard.press(" ");
        assert.equal(await page.innerText("#connection"), "live");
        await page.keyboard.press("+");
        assert.equal(await page.$eval("#span input:checked", (e) => e.value), "2");
        await close(page);
    },

    async "the objective is changed with the keyboard, by who has the token"() {
        const page = await open();
        await until(page, () => document.querySelector("#objective input:checked")?.value === "latency");
        const type = async (token) => {
            // From the objective with the tab key to the token and the button.
            await page.focus("#objective input:checked");
            await page.keyboard.press("ArrowDown");
            await page.keyboard.press("ArrowDown");
            await page.keyboard.press("Tab");
            assert.equal(await page.evaluate(() => document.activeElement.id), "token");
            await page.keyboard.press("Control+A");
            await page.keyboard.type(token);
            await page.keyboard.press("Enter");
        };
        page.faults.length = 0;
        await type("wrong");
        await until(page, () => document.querySelector("#objective-status").textContent.startsWith("Not changed"));
        assert.match(await page.innerText("#objective-status"), /token is missing or wrong/);
        page.faults = page.faults.filter((f) => !/403/.test(f)); // the browser tells of the refusal, and should
        await until(page, () => document.querySelector("#objective input:checked")?.value === "latency");
        await type(TOKEN);
        await until(page, () => document.querySelector("#tile-objective dd").textContent === "deadline");
        assert.match(await page.innerText("#objective-status"), /now deadline/);
        assert.equal((await ask(server.port, "POST", "/live/objective", "{\"objective\":\"latency\"}",
            { Authorization: `Bearer ${TOKEN}` })).status, 200);
        await until(page, () => document.querySelector("#objective input:checked")?.value === "latency");
        await close(page);
    },

    async "light and dark, by the system and by the switch"() {
        const ground = (page) => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
        // A corner of the timeline that nothing is drawn in.
        const paper = (page) => page.$eval("#timeline", (c) => copyOf(c)[0]);
        const dark = await open({ colorScheme: "dark" });
        await dark.waitForTimeout(500);
        assert.equal(await ground(dark), "rgb(15, 20, 25)");
        assert.ok(await paper(dark) < 60);
        await dark.click("#theme");
        await dark.waitForTimeout(300);
        assert.equal(await ground(dark), "rgb(243, 245, 247)");
        assert.ok(await paper(dark) > 200);
        await dark.reload();
        await dark.waitForTimeout(300);
        assert.equal(await ground(dark), "rgb(243, 245, 247)"); // remembered
        await close(dark);
        const light = await open({ colorScheme: "light" });
        assert.equal(await ground(light), "rgb(243, 245, 247)");
        await close(light);
    },

    async "fits a phone and a wide screen"() {
        for (const width of [360, 412, 768, 1920]) {
            const page = await open({ viewport: { width, height: 780 }, deviceScaleFactor: 2 });
            await until(page, () => document.querySelectorAll("#decisions tbody tr").length > 3);
            const wide = await page.evaluate(() => document.documentElement.scrollWidth);
            assert.ok(wide <= width, `${wide} pixels wide at ${width}`);
            assert.ok(await coloured(page, KEYWORD) > 20);
            await close(page);
        }
    },

    async "headings go down step by step, controls have names, tables captions, text contrast"() {
        for (const colorScheme of ["light", "dark"]) {
            const page = await open({ colorScheme });
            await until(page, () => document.querySelectorAll("#decisions tbody tr").length > 3);
            const levels = await page.$$eval("h1, h2, h3", (all) => all.map((e) => Number(e.tagName[1])));
            assert.equal(levels.filter((l) => l === 1).length, 1);
            levels.forEach((l, i) => assert.ok(i === 0 || l <= levels[i - 1] + 1, `h${levels[i - 1]} before h${l}`));
            const nameless = await page.$$eval("button, input, canvas[tabindex], [role=img], [role=region], table", (all) =>
                all.filter((e) => !(e.getAttribute("aria-label") || e.getAttribute("aria-labelledby") || e.caption ||
                    (e.tagName !== "TABLE" && e.textContent.trim()) || e.labels?.[0]?.textContent.trim()))
                    .map((e) => e.outerHTML));
            assert.deepEqual(nameless, []);
            await page.click("#pause");
            // WCAG 2.1, 1.4.3: at least 4.5 for text of this size.
            const low = await page.evaluate(() => {
                const rgb = (text) => text.match(/[\d.]+/g).map(Number);
                const light = (c) => {
                    const [r, g, b] = c.map((v) => (v / 255 <= 0.03928 ? v / 255 / 12.92 : ((v / 255 + 0.055) / 1.055) ** 2.4));
                    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
                };
                const found = new Set(), walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
                while (walk.nextNode()) {
                    const e = walk.currentNode.parentElement;
                    if (!walk.currentNode.data.trim() || e.closest("script, [hidden], noscript, .skip")) continue;
                    let ground = e, colour;
                    do {
                        colour = rgb(getComputedStyle(ground).backgroundColor);
                        ground = ground.parentElement;
                    } while (colour[3] === 0);
                    const [a, b] = [light(rgb(getComputedStyle(e).color).slice(0, 3)), light(colour.slice(0, 3))]
                        .sort((x, y) => y - x);
                    if ((a + 0.05) / (b + 0.05) < 4.5) found.add(`${e.className || e.tagName}: ${(a + 0.05) / (b + 0.05)}`);
                }
                return [...found];
            });
            assert.deepEqual(low, []);
            await close(page);
        }
    },

    async "with less motion the timeline goes in steps"() {
        const page = await open({ reducedMotion: "reduce" });
        await page.waitForTimeout(1500);
        const changes = await page.evaluate(() => new Promise((done) => {
            const canvas = document.querySelector("#timeline"), begun = performance.now();
            let last = canvas.toDataURL(), changes = 0;
            const look = () => {
                const now = canvas.toDataURL();
                changes += now !== last;
                last = now;
                if (performance.now() - begun < 2500) requestAnimationFrame(look); else done(changes);
            };
            look();
        }));
        assert.ok(changes >= 1 && changes <= 4, `${changes} steps in 2.5 s`);
        await close(page);
    },

    async "it survives the server's death, and goes on with the next one"() {
        const page = await open();
        const { port } = server;
        await page.waitForTimeout(1000);
        clients.stop();
        await server.kill("SIGKILL");
        await until(page, () => document.querySelector("#connection").textContent.startsWith("connection lost since"));
        assert.match(await page.innerText("#connection"), /^connection lost since \d\d:\d\d:\d\d: .+; trying again$/);
        await page.waitForTimeout(1500);
        server = await serve(program, folder, options, port);
        clients = await load(server.port, RATES);
        await until(page, () => document.querySelector("#connection").textContent === "live");
        await until(page, () => /^[1-9]/.test(document.querySelector("#tile-answered .note").textContent));
        await page.waitForTimeout(2000);
        assert.ok(await coloured(page, KEYWORD) > 50, "nothing is drawn after the restart");
        // In good order too: the stream ends, the page waits.
        clients.stop();
        assert.equal(await server.kill(), 0);
        await until(page, () => document.querySelector("#connection").textContent.startsWith("connection lost since"));
        server = await serve(program, folder, options, port);
        clients = await load(server.port, RATES);
        await until(page, () => document.querySelector("#connection").textContent === "live");
        page.faults = page.faults.filter((f) => !/ERR_|Failed to load resource/.test(f)); // what refused connections leave
        await close(page);
    },

    async "where reading needs a token the page asks for it, once"() {
        const context = await browser.newContext();
        const page = await context.newPage();
        const asked = [];
        // As a server with tokens for reading answers.
        await page.route("**/live/events", (route) => {
            const given = route.request().headers().authorization;
            asked.push(given);
            if (given === "Bearer reader-token") return route.continue();
            return route.fulfill({ status: 401, contentType: "application/json", body: "{\"error\":\"a token is needed\"}" });
        });
        await page.goto(`http://127.0.0.1:${server.port}/`);
        await until(page, () => document.querySelector("#connection").textContent.startsWith("a token is needed"));
        await page.waitForTimeout(1500);
        assert.deepEqual(asked, [undefined]);
        await page.fill("#token", "wrong-token");
        await page.keyboard.press("Tab");
        await page.waitForTimeout(300);
        await page.fill("#token", "reader-token");
        await page.keyboard.press("Tab");
        await until(page, () => document.querySelector("#connection").textContent === "live");
        assert.deepEqual(asked, [undefined, "Bearer wrong-token", "Bearer reader-token"]);
        await context.close();
    },

    async "without a token nothing can be changed, and the page says so"() {
        const other = await serve(program, folder, ["--processors", "cpu0"]);
        const page = await open({}, other.port);
        assert.equal(await page.locator("#objective fieldset input:enabled").count(), 0);
        assert.equal(await page.isVisible("#token"), false);
        assert.match(await page.innerText("#objective"), /--admin-token/);
        await close(page);
        await other.kill();
    },
};

// Frames of the page while eight processors run twenty models; on a machine without a GPU the browser draws on the CPU.
async function measureFrames() {
    const board = path.join(folder, "board");
    fs.mkdirSync(board);
    const settings = makeBoard(board, path.join(folder, "keyword_spotter.onnx"));
    const models = path.join(board, "models");
    const other = await serve(program, models, ["--settings", settings]);
    const busy = await load(other.port, Object.fromEntries(fs.readdirSync(models).map((f) => [path.parse(f).name, 12])), 80);
    for (const [what, settingsOfPage] of [["desktop", { viewport: { width: 1440, height: 900 } }],
        ["phone", { viewport: { width: 390, height: 844 }, deviceScaleFactor: 2 }]]) {
        const page = await open(settingsOfPage, other.port);
        for (const seconds of [5, 10]) {
            await page.check(`#span input[value="${seconds}"]`, { force: true });
            await page.waitForTimeout(seconds * 1000);
            const times = await page.evaluate(() => new Promise((done) => {
                const all = [];
                let last = performance.now();
                const look = (now) => {
                    all.push(now - last);
                    last = now;
                    if (all.length < 300) requestAnimationFrame(look); else done(all.slice(1).sort((a, b) => a - b));
                };
                requestAnimationFrame(look);
            }));
            const at = (q) => times[Math.floor(q * times.length)].toFixed(1);
            console.log(`${what}, ${seconds} s shown: a frame takes ${at(0.5)} ms at the median, ${at(0.95)} at the 95th ` +
                `percentile, ${at(0.999)} at most; 33 would be 30 a second`);
        }
        await close(page);
    }
    console.log(`${busy.answered()} requests were answered meanwhile`);
    busy.stop();
    await other.kill();
}

let failed = 0;
// A word after PROGRAM chooses the tests whose names hold it.
const chosen = bench === "--bench" ? [["measureFrames", measureFrames]]
    : Object.entries(tests).filter(([name]) => name.includes(bench ?? ""));
for (const [name, test] of chosen) {
    try {
        await test();
        console.log(`ok   ${name}`);
    } catch (error) {
        failed++;
        console.log(`FAIL ${name}\n${error.stack}`);
    }
}
clients.stop();
await browser.close();
await server.kill();
fs.rmSync(folder, { recursive: true, force: true });
process.exit(failed ? 1 : 0);
