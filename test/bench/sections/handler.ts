import { randomUUID } from 'node:crypto';
// What a request costs beside the model, in one process and without HTTP: the digits, on one thread.

import { join } from 'node:path';
import { EmbeddedMetrics } from '../../../functions/adapters/emf.ts';
import { InlineEngine } from '../../../functions/adapters/inline-engine.ts';
import { modelRepository } from '../../../functions/adapters/model-repository.ts';
import { OrtSession } from '../../../functions/adapters/onnxruntime.ts';
import { plainRequest, plainResponse } from '../../../functions/adapters/plain-fetch.ts';
import { createApp } from '../../../functions/http/app.ts';
import type { ModelRepository } from '../../../functions/inference/ports.ts';
import { decodeInferRequest } from '../../../functions/protocol/infer-request.ts';
import { encodeInferResponse } from '../../../functions/protocol/infer-response.ts';
import type { InferRequest } from '../../../functions/protocol/messages.ts';
import type { Tensor } from '../../../functions/protocol/tensor.ts';
import { composeService } from '../../../functions/serve/compose.ts';
import { seededRandom } from '../../setup/numbers.ts';
import { alternate } from '../alternate.ts';
import type { Row, Section } from '../section.ts';

const ARTIFACTS = join(import.meta.dirname, '../../../model-artifacts');
const MODEL = 'digits';
const OUTPUT = 'probabilities';
const COUNT = 3_072;
const ROUNDS = 60;
const CALLS = 40;

export default {
  name: 'handler',
  what: 'What a request costs beside the model, in one process and without HTTP',
  run: async ({ quick }) => [{ title: 'The digits on one thread', rows: await measured(quick ? 2 : ROUNDS) }],
} satisfies Section;

async function measured(rounds: number): Promise<Row[]> {
  const silent = { info() {}, warn() {}, error() {} };
  const store = modelRepository(ARTIFACTS, { folder: '', share: 1 }) as ModelRepository;
  const telemetry = new EmbeddedMetrics('Bench', () => {});
  const { service, files } = composeService(
    { store, engine: new InlineEngine(1), telemetry, log: silent, endCanary: async () => {} },
    {
      serverName: 'bench',
      staleMs: 3_600_000,
      explicit: false,
      swapPatienceMs: 500,
      preloadModels: [MODEL],
      modelMemory: 1e9,
      requestTimeoutMs: 30_000,
      defaultMaxBatchSize: 4,
      maxBatcherQueue: 0,
    },
  );
  await service.start([MODEL]);
  const access = { loopbackOnly: false, token: undefined };
  const app = createApp({
    service,
    files,
    statistics: async () => [],
    log: silent,
    access,
    newId: randomUUID,
    respond: plainResponse,
    maxBodyBytes: 1e8,
    corsOrigins: [],
    local: undefined,
  });
  const session = await OrtSession.load(join(ARTIFACTS, MODEL, '1/model.onnx'), {}, 1);

  const random = seededRandom(1);
  const values = Float32Array.from({ length: COUNT }, random);
  const tensor = { name: 'image', datatype: 'FP32', shape: [1, 3, 32, 32], data: values } as const;
  const input = { name: tensor.name, datatype: tensor.datatype, shape: tensor.shape };
  const header = JSON.stringify({
    inputs: [{ ...input, parameters: { binary_data_size: values.byteLength } }],
    outputs: [{ name: OUTPUT, parameters: { binary_data: true } }],
  });
  const headerLength = Math.ceil(header.length / 8) * 8;
  const binary = new Uint8Array(headerLength + values.byteLength).fill(0x20);
  binary.set(new TextEncoder().encode(header));
  binary.set(new Uint8Array(values.buffer), headerLength);
  const json = new TextEncoder().encode(
    JSON.stringify({ inputs: [{ ...input, data: Array.from(values) }], outputs: [{ name: OUTPUT }] }),
  );

  const decodings = { binary: () => decodeInferRequest(binary, headerLength), json: () => decodeInferRequest(json) };
  const handled = async (decode: () => InferRequest) => {
    const request = decode();
    return encodeInferResponse(await service.infer(request, MODEL), request);
  };
  const fetched = async (body: Uint8Array<ArrayBuffer>, length: number | undefined): Promise<Buffer> => {
    const headers = {
      'content-length': String(body.length),
      'x-request-id': 'a-request',
      'inference-header-content-length': length === undefined ? undefined : String(length),
    };
    const url = `http://bench.invalid/v2/models/${MODEL}/infer`;
    const response = await app.fetch(plainRequest('POST', url, headers, { whole: async () => body.buffer }));
    return Buffer.concat(await Array.fromAsync(response.body ?? []));
  };
  const parse = (): Float32Array => new Float32Array(JSON.parse(new TextDecoder().decode(json)).inputs[0].data);

  const [expected] = await session.run([tensor], [OUTPUT]);
  const bytes = Buffer.from(((expected as Tensor).data as Float32Array).buffer);
  if (!bytes.equals((await handled(decodings.binary)).parts[1] as Uint8Array))
    throw new Error('not the answer of the model');
  if (!(await fetched(binary, headerLength)).subarray(-bytes.length).equals(bytes))
    throw new Error('not the answer of the model');
  const answered = JSON.parse((await fetched(json, undefined)).toString()).outputs[0].data;
  if (!Buffer.from(new Float32Array(answered).buffer).equals(bytes)) throw new Error('not the answer of the model');

  const ways = {
    'session.run()': () => session.run([tensor], [OUTPUT]),
    'binary, decoded': decodings.binary,
    'binary, handled': () => handled(decodings.binary),
    'binary, Request to Response': () => fetched(binary, headerLength),
    'JSON, decoded': decodings.json,
    'JSON, by JSON.parse': parse,
    'JSON, handled': () => handled(decodings.json),
    'JSON, Request to Response': () => fetched(json, undefined),
  };
  const least = await alternate(Object.values(ways), rounds, CALLS);
  await session.release();
  const run = least[0] ?? 0;
  return Object.keys(ways).map((what, i) => {
    const ms = least[i] ?? 0;
    const isPart = what.includes('decoded') || what.includes('parse');
    return {
      what,
      µs: Math.round(ms * 1000),
      'µs beside the model': isPart || i === 0 ? '' : Math.round((ms - run) * 1000),
    };
  });
}
