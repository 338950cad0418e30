// A real `cosrel serve` for the tests of its page, and clients that keep it busy.
import { spawn, execFileSync } from "node:child_process";
import http from "node:http";
import path from "node:path";
import fs from "node:fs";

export const TOKEN = "a-token-of-the-tests";

// Models of `cosrel zoo` in a folder of the test's.
export function makeModels(program, folder, names) {
    execFileSync(program, ["zoo", folder, "--only", names.join(","), "--quiet"]);
}

// Eight emulated processors and twenty models, all copies of one small network that never runs: what a run takes is in
// an invented table. Returns the settings file.
export function makeBoard(folder, model, rng = 1) {
    let seed = rng;
    const random = () => (seed = (seed * 48271) % 2147483647) / 2147483647;
    const speeds = { npu0: 0.5, npu1: 0.5, gpu0: 0.6, dsp0: 1.2, big0: 1.6, big1: 1.6, little0: 3.5, little1: 3.5 };
    const models = ["camera_front", "camera_rear", "lane_keeper", "traffic_signs", "pedestrians", "wake_word", "speech",
        "face_detect", "face_embed", "pose", "hands", "gaze", "depth", "segment", "ocr", "barcode", "anomaly", "vibration",
        "reranker", "translator"];
    const rows = ["device,processor,model,precision,framework,batch,latency_ms,power_w,energy_mj,source"];
    fs.mkdirSync(path.join(folder, "models"), { recursive: true });
    for (const name of models) {
        const base = [2, 3, 4, 6, 8, 12, 18, 25, 40][Math.floor(random() * 9)];
        fs.copyFileSync(model, path.join(folder, "models", `${name}.onnx`));
        for (const [processor, speed] of Object.entries(speeds)) {
            const own = speed * (0.7 + 0.7 * random());
            for (const batch of [1, 2, 4]) {
                rows.push(`Board,${processor},${name},fp32,x,${batch},${(base * own * batch ** 0.8).toFixed(3)},2,,invented`);
            }
        }
    }
    fs.writeFileSync(path.join(folder, "board.csv"), `${rows.join("\n")}\n`);
    const settings = path.join(folder, "settings.yaml");
    fs.writeFileSync(settings, `profile: board.csv\nprocessors: [${Object.keys(speeds).join(", ")}]\nemulated:\n${Object.keys(speeds)
        .map((p) => `  - {name: ${p}, table: ${path.join(folder, "board.csv")}}\n`).join("")}`);
    return settings;
}

// { port, models, kill() }. port 0: any that is free.
export async function serve(program, models, options = [], port = 0) {
    const child = spawn(program, ["serve", "--models", models, "--http", `127.0.0.1:${port}`, "--grpc", "off", "--quiet",
        "--cache-folder", "none", ...options], { stdio: ["ignore", "pipe", "inherit"] });
    const gone = new Promise((done) => child.once("exit", done));
    const found = await new Promise((done, fail) => {
        let said = "";
        child.stdout.on("data", (data) => {
            said += data;
            const line = said.match(/on port (\d+)/);
            if (line) done(Number(line[1]));
        });
        gone.then((code) => fail(new Error(`cosrel serve ended with ${code}`)));
    });
    return { port: found, child, kill: (signal = "SIGTERM") => { child.kill(signal); return gone; } };
}

const call = (agent, port, method, route, body, headers = {}) => new Promise((done, fail) => {
    const request = http.request({ agent, port, host: "127.0.0.1", method, path: route, headers }, (answer) => {
        const parts = [];
        answer.on("data", (data) => parts.push(data));
        answer.on("end", () => done({ status: answer.statusCode, body: Buffer.concat(parts) }));
    });
    request.on("error", fail);
    request.end(body);
});
export const ask = (port, method, route, body, headers) => call(undefined, port, method, route, body, headers);

// Asks each model so often a second, at random times, until stop() is called.
export async function load(port, rates, timeoutMs = 50) {
    const agent = new http.Agent({ keepAlive: true, maxSockets: 64 });
    let going = true, answered = 0;
    const timers = new Set();
    for (const [name, hz] of Object.entries(rates)) {
        const about = JSON.parse((await call(agent, port, "GET", `/v2/models/${name}`)).body);
        const [input] = about.inputs, shape = input.shape.map((d) => (d < 0 ? 1 : d));
        const bytes = 4 * shape.reduce((a, b) => a * b, 1);
        const json = Buffer.from(JSON.stringify({ inputs: [{ name: input.name, datatype: input.datatype, shape,
            parameters: { binary_data_size: bytes } }], parameters: { binary_data_output: true, timeout: timeoutMs * 1000 } }));
        const body = Buffer.concat([json, Buffer.alloc(bytes)]);
        const headers = { "Inference-Header-Content-Length": json.length, "Content-Length": body.length };
        const next = () => {
            const timer = setTimeout(() => {
                timers.delete(timer);
                if (!going) return;
                next();
                call(agent, port, "POST", `/v2/models/${name}/infer`, body, headers).then(() => { answered++; }, () => {});
            }, -Math.log(1 - Math.random()) * 1000 / hz);
            timers.add(timer);
        };
        next();
    }
    return { answered: () => answered, stop() {
        going = false;
        timers.forEach(clearTimeout);
        agent.destroy();
    } };
}
