// Asks a running `cosrel serve` over HTTP with nothing but Node.js' own fetch: what a model takes, then for the same
// inference twice, with the numbers as JSON and as binary tensors. The second is what to use: no side has to convert.
//
//     node infer_http.mjs http://127.0.0.1:8000 mobilenet_v2 [dimension that the model leaves open, default 1]
//
// COSREL_TOKEN in the environment is sent as the bearer token.
import { performance } from "node:perf_hooks";
import { describe, randomTensor, valuesOf } from "./tensors.mjs";

const token = process.env.COSREL_TOKEN;

// The answer; one that is no success becomes an error with what the server says.
async function ask(url, options = {}) {
    const headers = { ...options.headers, ...(token && { Authorization: `Bearer ${token}` }) };
    const answer = await fetch(url, { ...options, headers }).catch((error) => {
        throw new Error(`${url}: no answer (${error.cause?.message ?? error.message}); is cosrel serve running there?`);
    });
    if (answer.ok) return answer;
    const { error } = await answer.json().catch(() => ({}));
    throw new Error(`${url}: ${answer.status}${error ? `, ${error}` : ""}`);
}

async function inferJson(url, tensors) {
    const inputs = tensors.map(({ input, data }) => {
        const values = valuesOf(input.datatype, data);
        if (!values) throw new Error(`input ${input.name}: JSON has no ${input.datatype}`);
        return { ...input, data: input.datatype === "BOOL" ? values.map(Boolean) : values };
    });
    const { outputs } = await (await ask(url, { method: "POST", body: JSON.stringify({ inputs }) })).json();
    return outputs.map((output) => [output, output.data.map(Number)]);
}

// The body is JSON, whose length a header tells, and then the tensors in the order in which the JSON names them. The
// answer comes in the same form.
async function inferBinary(url, tensors) {
    const inputs = tensors.map(({ input, data }) => ({ ...input, parameters: { binary_data_size: data.length } }));
    const json = Buffer.from(JSON.stringify({ inputs, parameters: { binary_data_output: true } }));
    const answer = await ask(url, {
        method: "POST",
        headers: { "Content-Type": "application/octet-stream", "Inference-Header-Content-Length": String(json.length) },
        body: Buffer.concat([json, ...tensors.map((t) => t.data)]),
    });
    const body = Buffer.from(await answer.arrayBuffer());
    let at = Number(answer.headers.get("Inference-Header-Content-Length"));
    const { outputs } = JSON.parse(body.subarray(0, at).toString());
    return outputs.map((output) => {
        const data = body.subarray(at, at += output.parameters.binary_data_size);
        return [output, valuesOf(output.datatype, data)];
    });
}

async function main(server, model, open) {
    const url = `${server}/v2/models/${encodeURIComponent(model)}`;
    const metadata = await (await ask(url)).json();
    const tensors = metadata.inputs.map((input) => randomTensor(input, open));
    for (const { input } of tensors) console.log(`${model}: ${input.name} ${input.datatype}[${input.shape}]`);
    for (const [way, infer] of [["JSON", inferJson], ["binary", inferBinary]]) {
        const begun = performance.now();
        const outputs = await infer(`${url}/infer`, tensors);
        console.log(`${way}: ${(performance.now() - begun).toFixed(1)} ms`);
        for (const [output, values] of outputs) console.log(`  ${describe(output, values)}`);
    }
}

const [server, model, open] = process.argv.slice(2);
if (!model || !(Number(open ?? 1) >= 1)) {
    console.error("usage: node infer_http.mjs URL MODEL [OPEN-DIMENSION]");
    process.exit(2);
}
main(server.replace(/\/$/, ""), model, Number(open ?? 1)).catch((error) => {
    console.error(error.message);
    process.exitCode = 1;
});
