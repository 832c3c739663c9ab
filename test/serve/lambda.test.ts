import { gunzipSync, gzipSync } from 'node:zlib';
import { afterAll, afterEach, beforeAll, describe, expect, inject, test } from 'vitest';
import { type Client, type LogLine, lambdaEvents } from '../setup/edges.ts';
import { madeRepository } from '../setup/repository.ts';
import { identityInput, infer } from '../setup/requests.ts';

const { folder, model, remove } = madeRepository(() => inject('repository'));
let client: Client;

beforeAll(() => {
  model('first', 'identity_fp32', '');
  model('second', 'identity_fp32', '');
  model('broken', 'identity_fp32', 'platform: "tensorrt_plan"');
});
afterAll(remove);
afterEach(() => client.close());

const open = async (more = {}): Promise<void> => {
  client = await lambdaEvents.open({ MODEL_REPOSITORY: folder, ...more });
};
const ready = async (): Promise<unknown> => JSON.parse((await client.call('/v2/health/ready')).text);
const metric = (name: string): LogLine[] => client.logged.filter((line) => name in line);

describe('INIT', () => {
  test('makes the sessions of the models that it is told to, and of no others', async () => {
    await open({ PRELOAD_MODELS: 'first' });
    expect(metric('ColdStartSession').map(({ model: name }) => name)).toEqual(['first']);
    expect(metric('ColdStartInit')).toHaveLength(1);
    expect((await infer(client, 'second', identityInput('FP32', [1, 1], [1]))).status).toBe(200);
  });

  test('without a model to load the first probe finds the service ready', async () => {
    await open();
    expect(metric('ColdStartSession')).toEqual([]);
    expect(await ready()).toEqual({ live: true, ready: true });
  });

  test('a model that does not load is reported, and leaves the others', async () => {
    await open({ PRELOAD_MODELS: 'broken,first' });
    expect(metric('ModelLoadFailure').map(({ model: name }) => name)).toEqual(['broken']);
    expect(client.logged).toContainEqual(expect.objectContaining({ msg: 'failed to load model', model: 'broken' }));
    expect(await ready()).toEqual({ live: true, ready: true });
  });

  test('with a wrong setting ends with a sentence', async () => {
    await open();
    await expect(lambdaEvents.open({ MODEL_REPOSITORY: 'models' })).rejects.toThrow(/^MODEL_REPOSITORY is 'models'/);
  });
});

test('the memory of the function decides how many models stay', async () => {
  const COUNT = 40;
  for (let i = 0; i < COUNT; i++) model(`wide-${i}`, 'wide', '');
  // The least that models get: 64 MiB. Each has 2 MB of weights, and counts with what a session has beside them.
  await open({ AWS_LAMBDA_FUNCTION_MEMORY_SIZE: '128', PRELOAD_MODELS: 'first' });
  const input = identityInput('FP32', [1, 700], Array(700).fill(1));
  for (let i = 0; i < COUNT; i++) expect((await infer(client, `wide-${i}`, input)).status).toBe(200);
  const unloaded = client.logged
    .filter(({ msg }) => msg === 'unloaded model to make room')
    .map(({ model: name }) => name);
  // Those that came first, but not the one that INIT was told to load.
  expect(unloaded).toEqual(Array.from({ length: unloaded.length }, (_, i) => `wide-${i}`));
  const stay = COUNT - unloaded.length;
  expect(stay * 2 * 1024 ** 2).toBeLessThan(64 * 1024 ** 2);
  expect(stay * 4 * 1024 ** 2).toBeGreaterThan(64 * 1024 ** 2);
});

describe('metrics in the embedded metric format', () => {
  const body = (datatype: string): string => JSON.stringify({ inputs: identityInput(datatype, [1, 1], [1]) });
  const post = (name: string, datatype: string) => client.call(`/v2/models/${name}/infer`, { body: body(datatype) });

  test('one line for each request to a model, under its version and outcome', async () => {
    await open();
    await post('first', 'FP32');
    await post('first', 'INT32');
    await post('made-up-by-a-client', 'FP32');
    const lines = metric('Requests');
    expect(lines.map(({ model: name, version, outcome }) => [name, version, outcome])).toEqual([
      ['first', '1', 'success'],
      ['first', '1', 'INVALID_REQUEST'],
    ]);
    expect(lines[0]).toEqual({
      _aws: {
        Timestamp: expect.closeTo(Date.now(), -5),
        CloudWatchMetrics: [
          {
            Namespace: 'ServerlessOnnx',
            Dimensions: [['model', 'version', 'outcome']],
            Metrics: [
              { Name: 'Requests', Unit: 'Count' },
              { Name: 'RequestDuration', Unit: 'Milliseconds' },
              { Name: 'PayloadBytes', Unit: 'Bytes' },
            ],
          },
        ],
      },
      model: 'first',
      version: '1',
      outcome: 'success',
      Requests: 1,
      RequestDuration: expect.any(Number),
      PayloadBytes: body('FP32').length,
    });
  });

  test('the phases of a cold start once for each version, of the model and of all models', async () => {
    await open({ METRICS_NAMESPACE: 'Mine' });
    await post('first', 'FP32');
    await post('first', 'FP32');
    for (const name of ['ColdStartInit', 'ColdStartDownload', 'ColdStartSession', 'ColdStartFirstRun']) {
      const [line, ...more] = metric(name);
      expect(more).toEqual([]);
      expect(line?.[name]).toBeGreaterThanOrEqual(0);
      const { CloudWatchMetrics } = (line as LogLine)._aws as {
        CloudWatchMetrics: { Namespace: string; Dimensions: string[][] }[];
      };
      expect(CloudWatchMetrics.map(({ Namespace }) => Namespace)).toEqual(['Mine']);
      expect(CloudWatchMetrics[0]?.Dimensions).toEqual(name === 'ColdStartInit' ? [[]] : [['model'], []]);
    }
  });
});

describe('the response', () => {
  const zeros = (count: number) => {
    const bytes = Buffer.alloc(4 * count);
    const input = {
      name: 'INPUT0',
      shape: [1, count],
      datatype: 'FP32',
      parameters: { binary_data_size: bytes.length },
    };
    const header = Buffer.from(JSON.stringify({ inputs: [input], parameters: { binary_data_output: true } }));
    return {
      body: gzipSync(Buffer.concat([header, bytes])),
      headers: { 'Inference-Header-Content-Length': String(header.length), 'Content-Encoding': 'gzip' },
    };
  };
  const path = '/v2/models/first/infer';

  test('up to what Lambda takes goes out, above that a sentence says so and how to go on', async () => {
    await open();
    expect((await client.call(path, zeros(1_150_000))).bytes.length).toBeGreaterThan(4_600_000);
    const { status, text, headers } = await client.call(path, zeros(1_200_000));
    expect([status, headers.get('content-type')]).toEqual([413, 'application/json']);
    expect(headers.get('x-request-id')).toMatch(/^[0-9a-f-]{36}$/);
    expect(JSON.parse(text).error).toMatch(/^the response is too large: got 48\d{5} bytes; expected at most 6 MB/);
    const { body, headers: sent } = zeros(1_200_000);
    const compressed = await client.call(path, { body, headers: { ...sent, 'Accept-Encoding': 'gzip' } });
    expect([compressed.status, compressed.headers.get('content-encoding')]).toEqual([200, 'gzip']);
  });

  test('in JSON is measured as Lambda counts it, with its escapes', async () => {
    model('text', 'identity_bytes', '');
    await open();
    const quotes = (count: number) => infer(client, 'text', identityInput('BYTES', [1, 1], ['"'.repeat(count)]));
    // A quote is 2 bytes in JSON, and 4 where that JSON is a string of JSON itself.
    expect((await quotes(1_500_000)).status).toBe(200);
    expect((await quotes(1_600_000)).status).toBe(413);
  });
});

test('what only the local server has is not there', async () => {
  await open();
  for (const path of ['/docs', '/metrics']) expect((await client.call(path)).status).toBe(404);
  const load = await client.call('/v2/repository/models/first/load', { method: 'POST' });
  expect(load.status).toBe(404);
  const { paths } = JSON.parse((await client.call('/openapi.json')).text);
  expect(Object.keys(paths).filter((path) => /load|docs|^\/metrics/.test(path))).toEqual([]);
  expect(paths).toHaveProperty(['/v2/models/{model}/infer']);
});

test('pages of the configured origins may read answers, and the length of their binary part; others may not', async () => {
  await open({ CORS_ORIGINS: 'https://a.example,https://b.example' });
  const from = (Origin: string) => client.call('/v2', { headers: { Origin } });
  const { headers } = await from('https://b.example');
  expect(headers.get('access-control-allow-origin')).toBe('https://b.example');
  expect(headers.get('access-control-expose-headers')).toMatch(/Inference-Header-Content-Length/i);
  expect((await from('https://c.example')).headers.get('access-control-allow-origin')).toBeNull();
  await client.close();
  await open();
  expect((await from('https://b.example')).headers.get('access-control-allow-origin')).toBeNull();
});

test.each(['identity', 'gzip'])('what a page of another origin may read arrives bit by bit: %s', async (encoding) => {
  await open({ CORS_ORIGINS: '*' });
  const values = Float32Array.from({ length: 1_000 }, (_, i) => Math.sin(i));
  const input = identityInput('FP32', [1, 1_000], Array.from(values));
  const body = JSON.stringify({ inputs: input, parameters: { binary_data_output: true } });
  const headers = { Origin: 'https://b.example', 'Accept-Encoding': encoding };
  const reply = await client.call('/v2/models/first/infer', { method: 'POST', headers, body });
  expect(reply.headers.get('access-control-allow-origin')).toBe('*');
  expect(reply.headers.get('content-encoding')).toBe(encoding === 'gzip' ? 'gzip' : null);
  const bytes = encoding === 'gzip' ? gunzipSync(reply.bytes) : reply.bytes;
  expect(bytes.subarray(-4_000)).toEqual(Buffer.from(values.buffer));
});

test("a log line carries API Gateway's trace and Lambda's request id", async () => {
  await open();
  const trace = '1-5759e988-bd862e3fe1be46a994272793';
  const { headers } = await client.call('/v2', { headers: { 'X-Amzn-Trace-Id': `Root=${trace};Sampled=1` } });
  await expect
    .poll(() => client.logged)
    .toContainEqual(
      expect.objectContaining({
        msg: 'request',
        trace_id: '5759e988bd862e3fe1be46a994272793',
        id: headers.get('x-request-id'),
      }),
    );
});
