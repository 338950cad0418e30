// `cosrel serve` with TLS and clients that others wrote: Node's https and @grpc/grpc-js, with the authority's
// certificate and without it. Arguments: the command, and make_certificates. Exit 77, skipped: no client installed.
import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import fs from "node:fs";
import http from "node:http";
import https from "node:https";
import os from "node:os";
import path from "node:path";
import tls from "node:tls";
import { fileURLToPath } from "node:url";

const SKIP = 77;
const MODEL = "keyword_spotter";
const PROTO = fileURLToPath(new URL("../../src/server/oip.proto", import.meta.url));
const [cosrel, makeCertificates] = process.argv.slice(2);

let grpc, protoLoader;
try {
    ({ default: grpc } = await import("@grpc/grpc-js"));
    ({ default: protoLoader } = await import("@grpc/proto-loader"));
} catch (error) {
    if (error.code !== "ERR_MODULE_NOT_FOUND") throw error;
    console.log("skipped: @grpc/grpc-js is not installed (npm ci at the repository root)");
    process.exit(SKIP);
}

const folder = fs.mkdtempSync(path.join(os.tmpdir(), "test-tls-client-"));
const models = path.join(folder, "models");
execFileSync(makeCertificates, [folder]);
execFileSync(cosrel, ["zoo", models, "--only", MODEL], { stdio: "ignore" });
const server = spawn(cosrel, ["serve", "--models", models, "--http", "127.0.0.1:0", "--grpc", "127.0.0.1:0",
    "--processors", "cpu0", "--policy", "min-min", "--tls-cert", path.join(folder, "cert.pem"),
    "--tls-key", path.join(folder, "key.pem")], { stdio: ["ignore", "pipe", "inherit"] });
process.on("exit", () => {
    server.kill("SIGKILL");
    fs.rmSync(folder, { recursive: true, force: true });
});

// The first line ends with HTTP's port, the second with gRPC's.
async function ports() {
    let text = "";
    for await (const part of server.stdout) {
        text += part;
        const lines = text.split("\n");
        if (lines.length > 2) return lines.slice(0, 2).map((line) => Number(/(\d+)$/.exec(line)[1]));
    }
    throw new Error(`the server ended: ${text}`);
}

const [httpPort, grpcPort] = await ports();
const ca = fs.readFileSync(path.join(folder, "ca.pem"));
const agent = new https.Agent({ ca, keepAlive: true, maxSockets: 4 });

function ask(url, { body, lib = https, ...options } = {}) {
    return new Promise((resolve, reject) => {
        const request = lib.request(url, { method: body ? "POST" : "GET", ...options }, (answer) => {
            const parts = [];
            answer.on("data", (part) => parts.push(part));
            answer.on("end", () => resolve({ status: answer.statusCode, body: Buffer.concat(parts) }));
            answer.on("error", reject);
        });
        request.on("error", reject);
        request.end(body);
    });
}

const root = `https://localhost:${httpPort}`;
const json = async (url, options) => JSON.parse((await ask(url, { agent, ...options })).body);

// HTTPS: by name and by address, many at once, a large page asset.
assert.equal((await json(`${root}/v2`)).name, "cosrel");
assert.equal((await json(`https://127.0.0.1:${httpPort}/v2`)).name, "cosrel");
const metadata = await json(`${root}/v2/models/${MODEL}`);
const shape = metadata.inputs[0].shape.map((d) => (d < 0 ? 1 : d));
const count = shape.reduce((a, b) => a * b, 1);
const values = Float32Array.from({ length: count }, (_, i) => Math.fround(Math.sin(i)));
const infer = { body: JSON.stringify({ inputs: [{ name: metadata.inputs[0].name, datatype: "FP32", shape,
    data: Array.from(values) }] }) };
const first = await json(`${root}/v2/models/${MODEL}/infer`, infer);
assert.ok(first.outputs[0].data.length > 0);
for (const reply of await Promise.all(Array.from({ length: 50 }, () => json(`${root}/v2/models/${MODEL}/infer`, infer))))
    assert.deepEqual(reply.outputs, first.outputs);
const script = await ask(`${root}/live/uplot.js`, { agent });
assert.equal(script.status, 200);
assert.ok(script.body.length > 40000);

// Without the authority, and without TLS, there is no answer.
await assert.rejects(ask(`${root}/v2`), /certificate/);
await assert.rejects(ask(`http://localhost:${httpPort}/v2`, { lib: http }));
await assert.rejects(ask(`http://localhost:${grpcPort}/v2`, { lib: http }));

// What is agreed on.
async function handshake(port, options) {
    const socket = tls.connect({ host: "localhost", port, ca, ...options });
    await new Promise((resolve, reject) => socket.on("secureConnect", resolve).on("error", reject));
    const agreed = [socket.getProtocol(), socket.alpnProtocol];
    socket.destroy();
    return agreed;
}
assert.deepEqual(await handshake(httpPort, { ALPNProtocols: ["h2", "http/1.1"] }), ["TLSv1.3", "http/1.1"]);
assert.deepEqual(await handshake(grpcPort, { ALPNProtocols: ["h2"] }), ["TLSv1.3", "h2"]);
assert.deepEqual(await handshake(grpcPort, { ALPNProtocols: ["h2"], maxVersion: "TLSv1.2" }), ["TLSv1.2", "h2"]);
await assert.rejects(handshake(grpcPort, { ALPNProtocols: ["http/1.1"] }));

// gRPC.
const { inference } = grpc.loadPackageDefinition(
    protoLoader.loadSync(PROTO, { keepCase: true, longs: Number, defaults: true }));
function connect(credentials) {
    return new inference.GRPCInferenceService(`localhost:${grpcPort}`, credentials,
        { "grpc.max_receive_message_length": 64 << 20, "grpc.max_send_message_length": 64 << 20 });
}
function call(client, method, message, timeout_ms = 30000) {
    return new Promise((resolve, reject) => {
        client[method](message, { deadline: Date.now() + timeout_ms }, (error, reply) =>
            error ? reject(error) : resolve(reply));
    });
}
const client = connect(grpc.credentials.createSsl(ca));
const request = { model_name: MODEL, inputs: [{ name: metadata.inputs[0].name, datatype: "FP32", shape }],
    raw_input_contents: [Buffer.from(values.buffer)] };
assert.equal((await call(client, "ServerLive", {})).live, true);
const floats = (buffer) => Array.from({ length: buffer.length / 4 }, (_, i) => buffer.readFloatLE(4 * i));
for (const reply of await Promise.all(Array.from({ length: 50 }, () => call(client, "ModelInfer", request))))
    assert.deepEqual(floats(reply.raw_output_contents[0]), first.outputs[0].data.map(Math.fround));
await assert.rejects(call(client, "ModelInfer", { ...request, raw_input_contents: [Buffer.alloc(30 << 20)] }),
    (error) => error.code === grpc.status.INVALID_ARGUMENT);
for (const credentials of [grpc.credentials.createInsecure(), grpc.credentials.createSsl()]) {
    const stranger = connect(credentials);
    await assert.rejects(call(stranger, "ServerLive", {}, 5000),
        (error) => [grpc.status.UNAVAILABLE, grpc.status.DEADLINE_EXCEEDED].includes(error.code));
    stranger.close();
}
assert.equal((await call(client, "ServerLive", {})).live, true);

const last = Array.from({ length: 20 }, () => call(client, "ModelInfer", request));
await last[0];
server.kill("SIGTERM");
const exit = new Promise((resolve) => server.on("exit", resolve));
for (const outcome of await Promise.allSettled(last))
    assert.ok(outcome.status === "fulfilled" || outcome.reason.code === grpc.status.UNAVAILABLE, outcome.reason?.message);
client.close();
agent.destroy();
assert.equal(await exit, 0);
console.log("ok");
process.exit(0);
