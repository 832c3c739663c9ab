// The least that a server of Node can be: node:http and ONNX Runtime, this one request in JSON and binary, no checks, no log.
// `bare-node.mjs MODEL_FILE PORT PROCESSES`; with more than one they share the port.

import cluster from 'node:cluster';
import { createServer } from 'node:http';

process.env.ORT_DISABLE_TELEMETRY = '1';
const [model = '', port = '', processes = '1'] = process.argv.slice(2);
if (cluster.isPrimary && Number(processes) > 1) {
  for (let i = 0; i < Number(processes); i++) cluster.fork();
} else {
  await serve();
}

async function serve() {
  const { InferenceSession, Tensor } = (await import('onnxruntime-node')).default;
  const session = await InferenceSession.create(model, { intraOpNumThreads: 1, interOpNumThreads: 1 });
  createServer(async (request, response) => {
    const chunks = [];
    for await (const chunk of request) chunks.push(chunk);
    const body = Buffer.concat(chunks);
    const length = Number(request.headers['inference-header-content-length'] ?? body.length);
    const { inputs } = JSON.parse(body.toString('utf8', 0, length));
    const isBinary = length < body.length;
    const data = isBinary ? floatsAt(body, length) : Float32Array.from(inputs[0].data);
    const { probabilities } = await session.run({ image: new Tensor('float32', data, inputs[0].shape) });
    const output = { name: 'probabilities', datatype: 'FP32', shape: probabilities?.dims };
    const values = /** @type {Float32Array} */ (probabilities?.data);
    const answer = (/** @type {object} */ fields) =>
      JSON.stringify({ model_name: 'digits', model_version: '1', outputs: [{ ...output, ...fields }] });
    if (!isBinary) {
      response.setHeader('content-type', 'application/json');
      response.end(answer({ data: Array.from(values) }));
      return;
    }
    const header = Buffer.from(answer({ parameters: { binary_data_size: values.byteLength } }));
    response.setHeader('inference-header-content-length', header.length);
    response.end(Buffer.concat([header, Buffer.from(values.buffer, values.byteOffset, values.byteLength)]));
  }).listen(Number(port), '127.0.0.1');
}

/**
 * @param {Buffer} body
 * @param {number} offset
 */
function floatsAt(body, offset) {
  const at = body.byteOffset + offset;
  return at % 4 === 0
    ? new Float32Array(body.buffer, at, (body.length - offset) / 4)
    : new Float32Array(body.buffer.slice(at, body.byteOffset + body.length));
}
