// What people write without a serving stack: an http server on onnxruntime-node. Prints its port.
'use strict';
const http = require('node:http');
const { createRequire } = require('node:module');
const ort = createRequire(require('node:path').resolve(process.argv[2]) + '/')('onnxruntime-node');

async function main() {
  const session = await ort.InferenceSession.create(process.argv[3]);
  const server = http.createServer((request, response) => {
    const parts = [];
    request.on('data', (part) => parts.push(part));
    request.on('end', async () => {
      const body = Buffer.concat(parts);
      const json = Number(request.headers['inference-header-content-length']);
      const header = JSON.parse(body.subarray(0, json));
      const input = header.inputs[0];
      const data = new Float32Array(body.buffer.slice(body.byteOffset + json, body.byteOffset + body.length));
      const result = await session.run({ [input.name]: new ort.Tensor('float32', data, input.shape) });
      const output = result[session.outputNames[0]];
      const raw = Buffer.from(output.data.buffer, output.data.byteOffset, output.data.byteLength);
      const head = JSON.stringify({
        model_name: 'relu',
        model_version: '1',
        outputs: [{ name: session.outputNames[0], datatype: 'FP32', shape: output.dims, parameters: { binary_data_size: raw.length } }],
      });
      response.writeHead(200, {
        'Content-Type': 'application/octet-stream',
        'Inference-Header-Content-Length': Buffer.byteLength(head),
        'Content-Length': Buffer.byteLength(head) + raw.length,
      });
      response.write(head);
      response.end(raw);
    });
  });
  server.listen(0, '127.0.0.1', () => console.log(server.address().port));
}

main();
