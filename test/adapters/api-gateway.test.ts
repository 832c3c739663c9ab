import { randomUUID } from 'node:crypto';
import fc from 'fast-check';
import { expect, inject, test } from 'vitest';
import { fromResponse, toRequest } from '../../functions/adapters/api-gateway.ts';
import { EmbeddedMetrics } from '../../functions/adapters/emf.ts';
import { InlineEngine } from '../../functions/adapters/inline-engine.ts';
import { modelRepository } from '../../functions/adapters/model-repository.ts';
import { plainResponse } from '../../functions/adapters/plain-fetch.ts';
import { createApp } from '../../functions/http/app.ts';
import type { Engine, LoadedModel, ModelRepository } from '../../functions/inference/ports.ts';
import type { Tensor } from '../../functions/protocol/tensor.ts';
import { composeService } from '../../functions/serve/compose.ts';

test('parts of any lengths are one text in base64', async () => {
  const parts = fc.array(fc.uint8Array({ maxLength: 10 }), { maxLength: 6 });
  await fc.assert(
    fc.asyncProperty(parts, async (parts) => {
      const filled = parts.filter(({ length }) => length > 0);
      const headers = { 'content-type': 'application/octet-stream' };
      const { body, isBase64Encoded } = await fromResponse(
        plainResponse(ReadableStream.from(filled), { status: 200, headers }),
      );
      expect([isBase64Encoded, body]).toEqual([true, Buffer.concat(filled).toString('base64')]);
    }),
    { numRuns: 500 },
  );
});

type Run = { readonly inputs: readonly Tensor[]; readonly outputs: readonly Tensor[] };

/** ONNX Runtime, and what goes into its runs and comes out. */
class WatchedEngine extends InlineEngine {
  readonly runs: Run[] = [];

  override async load(...args: Parameters<Engine['load']>): Promise<LoadedModel> {
    const loaded = await super.load(...args);
    const run = loaded.run.bind(loaded);
    loaded.run = async (inputs, ...rest) => {
      const computed = await run(inputs, ...rest);
      this.runs.push({ inputs, outputs: computed.outputs });
      return computed;
    };
    return loaded;
  }
}

/** A binary request of `count` numbers whose JSON has spaces up to a length; its way through the whole of the function. */
async function followed(
  count: number,
  headerBytes: number,
): Promise<{ buffer: ArrayBuffer; run: Run; parts: Uint8Array[] }> {
  const engine = new WatchedEngine(1);
  const silent = { info() {}, warn() {}, error() {} };
  const store = modelRepository(inject('repository'), { folder: '', share: 1 }) as ModelRepository;
  const telemetry = new EmbeddedMetrics('Test', () => {});
  const { service, files } = composeService(
    { store, engine, telemetry, log: silent, endCanary: async () => {} },
    {
      serverName: 'test',
      staleMs: 60_000,
      explicit: false,
      swapPatienceMs: 500,
      preloadModels: [],
      modelMemory: 1e9,
      requestTimeoutMs: 30_000,
      defaultMaxBatchSize: 4,
      maxBatcherQueue: 0,
    },
  );
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
  const values = Float32Array.from({ length: count }, (_, i) => i);
  const input = { name: 'INPUT0', datatype: 'FP32', shape: [1, count], parameters: { binary_data_size: 4 * count } };
  const json = JSON.stringify({ parameters: { binary_data_output: true }, inputs: [input] }).padEnd(headerBytes);
  expect(json).toHaveLength(headerBytes);
  const event = {
    httpMethod: 'POST',
    path: '/v2/models/identity_fp32/infer',
    multiValueHeaders: { 'Inference-Header-Content-Length': [`${headerBytes}`] },
    body: Buffer.concat([Buffer.from(json), Buffer.from(values.buffer)]).toString('base64'),
    isBase64Encoded: true,
  };
  const request = toRequest(event, { awsRequestId: 'a-request' });
  const response = await app.fetch(request);
  expect(response.status).toBe(200);
  const parts: Uint8Array[] = [];
  for await (const part of response.body ?? []) parts.push(part);
  const [run] = engine.runs;
  if (run === undefined) throw new Error('the model was not run');
  expect(viewOf(run.inputs)).toEqual(values);
  return { buffer: await request.arrayBuffer(), run, parts };
}

const viewOf = (tensors: readonly Tensor[]): Float32Array => (tensors[0] as Tensor).data as Float32Array;

test('an aligned tensor goes from the event to the model, and its output to the answer, without a copy', async () => {
  const { buffer, run, parts } = await followed(20_000, 256);
  expect(viewOf(run.inputs).buffer).toBe(buffer);
  expect(viewOf(run.inputs).byteOffset).toBe(256);
  expect(parts).toHaveLength(2);
  expect(parts[1]?.buffer).toBe(viewOf(run.outputs).buffer);
});

test('one that is not aligned is copied, once: nothing but it', async () => {
  const { buffer, run } = await followed(20_000, 257);
  expect(viewOf(run.inputs).buffer).not.toBe(buffer);
  expect(viewOf(run.inputs).buffer.byteLength).toBe(80_000);
});

test('a small output is sent in one piece with its JSON', async () => {
  const { run, parts } = await followed(10, 256);
  expect(parts).toHaveLength(1);
  expect(Buffer.from(parts[0] as Uint8Array).subarray(-40)).toEqual(Buffer.from(viewOf(run.outputs).buffer, 0, 40));
});
