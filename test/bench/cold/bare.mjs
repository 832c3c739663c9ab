// The least that a start can be: Node, ONNX Runtime, its environment, a session and a run. `bare.mjs MODEL_FILE REQUEST_FILE`

import { readFileSync } from 'node:fs';

process.env.ORT_DISABLE_TELEMETRY = '1';
const { InferenceSession, Tensor } = (await import('onnxruntime-node')).default;
const [model = '', request = ''] = process.argv.slice(2);
const session = await InferenceSession.create(model, { intraOpNumThreads: 1, logSeverityLevel: 4 });
const [{ name, shape, data }] = JSON.parse(readFileSync(request, 'utf8')).inputs;
await session.run({ [name]: new Tensor('float32', Float32Array.from(data.flat(9)), shape) });
process.stdout.write('answered\n');
// Threads of the runtime would be waited for.
process.exit();
