// Asks a running `cosrel serve` over gRPC: what a model takes, then for one inference with random numbers.
//
//     npm install @grpc/grpc-js @grpc/proto-loader
//     node infer_grpc.mjs 127.0.0.1:8001 mobilenet_v2 [dimension that the model leaves open, default 1]
//
// Tensors travel as raw little-endian bytes, which no side has to convert.
import { fileURLToPath } from "node:url";
import { performance } from "node:perf_hooks";
import grpc from "@grpc/grpc-js";
import protoLoader from "@grpc/proto-loader";

const PROTO = fileURLToPath(new URL("../../src/server/oip.proto", import.meta.url));

// Per data type: bytes of an element, and how a random one is written.
const TYPES = {
    BOOL: [1, (b, at) => b.writeUInt8(Math.random() < 0.5 ? 1 : 0, at)],
    INT8: [1, (b, at) => b.writeInt8(Math.floor(Math.random() * 100), at)],
    UINT8: [1, (b, at) => b.writeUInt8(Math.floor(Math.random() * 256), at)],
    INT16: [2, (b, at) => b.writeInt16LE(Math.floor(Math.random() * 100), at)],
    UINT16: [2, (b, at) => b.writeUInt16LE(Math.floor(Math.random() * 100), at)],
    FP16: [2, (b, at) => b.writeUInt16LE(0x3800, at)], // 0.5
    INT32: [4, (b, at) => b.writeInt32LE(Math.floor(Math.random() * 100), at)],
    UINT32: [4, (b, at) => b.writeUInt32LE(Math.floor(Math.random() * 100), at)],
    FP32: [4, (b, at) => b.writeFloatLE(Math.random(), at)],
    INT64: [8, (b, at) => b.writeBigInt64LE(BigInt(Math.floor(Math.random() * 100)), at)],
    UINT64: [8, (b, at) => b.writeBigUInt64LE(BigInt(Math.floor(Math.random() * 100)), at)],
    FP64: [8, (b, at) => b.writeDoubleLE(Math.random(), at)],
};

export function connect(address, options = {}) {
    const definition = protoLoader.loadSync(PROTO, { keepCase: true, longs: Number, defaults: true });
    const { inference } = grpc.loadPackageDefinition(definition);
    return new inference.GRPCInferenceService(address, grpc.credentials.createInsecure(), {
        // The clients' default of 4 MB is little for tensors.
        "grpc.max_receive_message_length": 64 << 20,
        "grpc.max_send_message_length": 64 << 20,
        ...options,
    });
}

// One call as a promise. timeout_ms becomes the request's deadline in the server's scheduler.
export function call(client, method, message, timeout_ms = 30000) {
    return new Promise((resolve, reject) => {
        client[method](message, { deadline: Date.now() + timeout_ms }, (error, reply) =>
            error ? reject(error) : resolve(reply));
    });
}

export function randomTensor({ name, datatype, shape }, open = 1) {
    const dims = shape.map((d) => (d < 0 ? open : d));
    if (!TYPES[datatype]) throw new Error(`input ${name}: this example makes no ${datatype}`);
    const [bytes, write] = TYPES[datatype];
    const data = Buffer.alloc(dims.reduce((a, b) => a * b, 1) * bytes);
    for (let at = 0; at < data.length; at += bytes) write(data, at);
    return { input: { name, datatype, shape: dims }, data };
}

async function main(address, model, open) {
    const client = connect(address);
    const metadata = await call(client, "ModelMetadata", { name: model });
    const tensors = metadata.inputs.map((input) => randomTensor(input, open));
    const begun = performance.now();
    const reply = await call(client, "ModelInfer", {
        model_name: model,
        inputs: tensors.map((t) => t.input),
        raw_input_contents: tensors.map((t) => t.data),
    });
    console.log(`${reply.model_name} ${reply.model_version}: ${(performance.now() - begun).toFixed(1)} ms`);
    reply.outputs.forEach((o, i) =>
        console.log(`  ${o.name} ${o.datatype}[${o.shape}]: ${reply.raw_output_contents[i].length} bytes`));
    client.close();
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
    const [address, model, open] = process.argv.slice(2);
    if (!model) {
        console.error("usage: node infer_grpc.mjs HOST:PORT MODEL [OPEN-DIMENSION]");
        process.exit(2);
    }
    main(address, model, Number(open ?? 1)).catch((error) => {
        console.error(error.message);
        process.exit(1);
    });
}
