// `cosrel serve` and a gRPC client that others wrote: the example, answers as over HTTP, many calls at once, errors,
// deadlines, cancellation, and the end of the server. Arguments: the command. Exit 77, skipped: no client installed.
import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";

const SKIP = 77;
const MODEL = "keyword_spotter";
const EXAMPLE = fileURLToPath(new URL("../../examples/node/infer_grpc.mjs", import.meta.url));
const TENSORS = new URL("../../examples/node/tensors.mjs", import.meta.url);
const cosrel = process.argv[2];

const { randomTensor } = await import(TENSORS);
let grpc, example;
try {
    ({ default: grpc } = await import("@grpc/grpc-js"));
    example = await import(EXAMPLE);
} catch (error) {
    if (error.code !== "ERR_MODULE_NOT_FOUND") throw error;
    console.log("skipped: @grpc/grpc-js is not installed (npm ci at the repository root)");
    process.exit(SKIP);
}

const folder = fs.mkdtempSync(path.join(os.tmpdir(), "test-grpc-client-"));
execFileSync(cosrel, ["zoo", folder, "--only", MODEL], { stdio: "ignore" });
const server = spawn(cosrel, ["serve", "--models", folder, "--http", "127.0.0.1:0", "--grpc", "127.0.0.1:0",
    "--processors", "cpu0", "--policy", "min-min"], { stdio: ["ignore", "pipe", "inherit"] });
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

async function fails(promise, code) {
    await assert.rejects(promise, (error) => {
        assert.equal(error.code, code, error.message);
        return true;
    });
}

const [httpPort, grpcPort] = await ports();
const address = `127.0.0.1:${grpcPort}`;
const client = example.connect(address);
const { call } = example;

function request(tensor, more = {}) {
    return { model_name: MODEL, inputs: [tensor.input], raw_input_contents: [tensor.data], ...more };
}

assert.equal((await call(client, "ServerLive", {})).live, true);
assert.equal((await call(client, "ServerReady", {})).ready, true);
assert.equal((await call(client, "ServerMetadata", {})).name, "cosrel");
assert.equal((await call(client, "ModelReady", { name: MODEL })).ready, true);
assert.equal((await call(client, "ModelReady", { name: "nix" })).ready, false);
const metadata = await call(client, "ModelMetadata", { name: MODEL });
assert.equal(metadata.platform, "onnxruntime_onnx");
assert.equal(metadata.inputs[0].datatype, "FP32");

// The same numbers over HTTP, as raw data and as typed contents.
const tensor = randomTensor(metadata.inputs[0]);
const floats = (buffer) => Array.from({ length: buffer.length / 4 }, (_, i) => buffer.readFloatLE(4 * i));
const raw = await call(client, "ModelInfer", request(tensor, { id: "42" }));
assert.equal(raw.id, "42");
assert.equal(raw.model_version, "1");
const http = await (await fetch(`http://127.0.0.1:${httpPort}/v2/models/${MODEL}/infer`, {
    method: "POST",
    body: JSON.stringify({ inputs: [{ ...tensor.input, data: floats(tensor.data) }] }),
})).json();
assert.deepEqual(floats(raw.raw_output_contents[0]), http.outputs[0].data.map(Math.fround));
assert.deepEqual(raw.outputs[0].shape, http.outputs[0].shape);
const typed = await call(client, "ModelInfer", {
    model_name: MODEL,
    inputs: [{ ...tensor.input, contents: { fp32_contents: floats(tensor.data) } }],
    outputs: [{ name: metadata.outputs[0].name }],
    parameters: { priority: { int64_param: 1 }, timeout: { uint64_param: 10000000 } },
});
assert.deepEqual(typed.raw_output_contents, raw.raw_output_contents);

// What is told of the model, and the same over HTTP.
const overHttp = async (route) => (await fetch(`http://127.0.0.1:${httpPort}/v2/models/${MODEL}/${route}`)).json();
const { config } = await call(client, "ModelConfig", { name: MODEL });
const httpConfig = await overHttp("config");
assert.equal(config.backend, "onnxruntime");
assert.equal(config.version_policy.latest.num_versions, 1);
assert.equal(config.max_batch_size, httpConfig.max_batch_size);
assert.ok(config.max_batch_size >= 1);
assert.equal(config.input[0].data_type, 11); // TYPE_FP32
assert.equal(httpConfig.input[0].data_type, "TYPE_FP32");
assert.deepEqual(config.input[0].dims.map(Number), httpConfig.input[0].dims);
assert.deepEqual(config.input[0].dims.map(Number), metadata.inputs[0].shape.slice(1).map(Number));
assert.deepEqual(config.output[0].dims.map(Number), httpConfig.output[0].dims);
const [counted] = (await call(client, "ModelStatistics", { name: MODEL })).model_stats;
const [httpCounted] = (await overHttp("stats")).model_stats;
assert.deepEqual(counted, httpCounted);
assert.equal(httpCounted.inference_count, 3);

// Many at once over few connections, each with its own answer.
const clients = [client, example.connect(address, { "grpc.use_local_subchannel_pool": 1 })];
const many = Array.from({ length: 100 }, (_, i) => call(clients[i % 2], "ModelInfer", request(tensor, { id: `${i}` })));
(await Promise.all(many)).forEach((reply, i) => {
    assert.equal(reply.id, `${i}`);
    assert.deepEqual(reply.raw_output_contents, raw.raw_output_contents);
});

const { status } = grpc;
await fails(call(client, "ModelInfer", { model_name: "nix" }), status.NOT_FOUND);
await fails(call(client, "ModelInfer", { model_name: MODEL }), status.INVALID_ARGUMENT);
await fails(call(client, "ModelInfer", request(tensor, { raw_input_contents: [tensor.data.subarray(4)] })),
    status.INVALID_ARGUMENT);
await fails(call(client, "ModelInfer", request(tensor), 0), status.DEADLINE_EXCEEDED);
await fails(call(client, "ModelInfer", request({ ...tensor, data: Buffer.alloc(60 << 20) })), status.INVALID_ARGUMENT);
const unknown = new Promise((resolve, reject) => client.makeUnaryRequest("/inference.GRPCInferenceService/Nix",
    (m) => m, (m) => m, Buffer.alloc(0), (error, reply) => (error ? reject(error) : resolve(reply))));
await fails(unknown, status.UNIMPLEMENTED);
const compressed = example.connect(address, { "grpc.default_compression_algorithm": 2 });
await fails(call(compressed, "ModelInfer", request(tensor)), status.UNIMPLEMENTED);
compressed.close();
await fails(new Promise((resolve, reject) => {
    const under_way = client.ModelInfer(request(tensor), (error, reply) => (error ? reject(error) : resolve(reply)));
    setImmediate(() => under_way.cancel());
}), status.CANCELLED);

// What is under way at the end is answered; then the server ends by itself.
const last = Array.from({ length: 20 }, () => call(client, "ModelInfer", request(tensor)));
await last[0];
server.kill("SIGTERM");
const exit = new Promise((resolve) => server.on("exit", resolve));
for (const outcome of await Promise.allSettled(last))
    assert.ok(outcome.status === "fulfilled" || outcome.reason.code === status.UNAVAILABLE, outcome.reason?.message);
clients.forEach((c) => c.close());
assert.equal(await exit, 0);
console.log("ok");
process.exit(0);
