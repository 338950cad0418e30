// Asks a running `cosrel serve` over gRPC: what a model takes, then for one inference with random numbers.
//
//     npm install @grpc/grpc-js @grpc/proto-loader
//     node infer_grpc.mjs 127.0.0.1:8001 mobilenet_v2 [dimension that the model leaves open, default 1]
//
// COSREL_TOKEN in the environment is sent as the bearer token. Tensors travel as raw little-endian bytes, which no side
// has to convert.
import { fileURLToPath } from "node:url";
import { performance } from "node:perf_hooks";
import grpc from "@grpc/grpc-js";
import protoLoader from "@grpc/proto-loader";
import { describe, randomTensor, valuesOf } from "./tensors.mjs";

const PROTO = fileURLToPath(new URL("../../src/server/oip.proto", import.meta.url));

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
    const metadata = new grpc.Metadata();
    if (process.env.COSREL_TOKEN) metadata.set("authorization", `Bearer ${process.env.COSREL_TOKEN}`);
    return new Promise((resolve, reject) => {
        client[method](message, metadata, { deadline: Date.now() + timeout_ms }, (error, reply) =>
            error ? reject(error) : resolve(reply));
    });
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
        console.log(`  ${describe(o, valuesOf(o.datatype, reply.raw_output_contents[i]))}`));
    client.close();
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
    const [address, model, open] = process.argv.slice(2);
    if (!model || !(Number(open ?? 1) >= 1)) {
        console.error("usage: node infer_grpc.mjs HOST:PORT MODEL [OPEN-DIMENSION]");
        process.exit(2);
    }
    main(address, model, Number(open ?? 1)).catch((error) => {
        console.error(`${address}: ${error.details || error.message}`);
        process.exit(1);
    });
}
