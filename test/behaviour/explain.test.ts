import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { type Client, EDGES, LOCAL_EDGES, type Reply } from '../setup/edges.ts';
import { madeRepository } from '../setup/repository.ts';
import { identityInput, infer, type JsonTensor } from '../setup/requests.ts';

const { folder, model, remove } = madeRepository(() => inject('repository'));
const image = 'name: "INPUT0" data_type: TYPE_FP32 dims: [ 1, 16, 16 ] format: FORMAT_NCHW';
const best = 'name: "OUTPUT0" data_type: TYPE_FP32 dims: [ 1 ]';

beforeAll(() => {
  const models = ['linear', 'network', 'add_sub', 'log', 'identity_bytes', 'identity_bool', 'identity_fp32'];
  for (const name of [...models, 'running_sum', 'slow_matmul', 'reflections', 'scalar']) model(name, name, '');
  model('planted', 'planted', `max_batch_size: 64 input [ { ${image} } ] output [ { ${best} } ]`);
  model(
    'labelled',
    'network',
    'output [ { name: "OUTPUT0" data_type: TYPE_FP32 dims: [ 3 ] label_filename: "labels.txt" } ]',
    {
      labels: 'ant\nbee\ncat\n',
    },
  );
});
afterAll(remove);

type Answer = {
  parameters: { [name: string]: number | string | boolean };
  outputs: { name: string; shape: number[]; datatype: string; data: number[] }[];
};

const explain = (client: Client, name: string, inputs: JsonTensor[], parameters: object = {}): Promise<Reply> =>
  client.call(`/v2/models/${name}/explain`, { body: JSON.stringify({ inputs, parameters }) });

async function explained(...call: Parameters<typeof explain>): Promise<Answer> {
  const { status, text } = await explain(...call);
  expect([status, text]).toEqual([200, expect.any(String)]);
  return JSON.parse(text) as Answer;
}

const worst = (got: readonly number[], expected: readonly number[]): number => {
  expect(got).toHaveLength(expected.length);
  return Math.max(...got.map((value, i) => Math.abs(value - (expected[i] as number))));
};

describe.each(EDGES)('explanations through $name', (edge) => {
  let client: Client;
  beforeAll(async () => {
    client = await edge.open({ MODEL_REPOSITORY: folder });
  });
  afterAll(() => client.close());

  const x = Array.from({ length: 12 }, (_, i) => Math.sin(i + 1) * 3);
  const linear: JsonTensor[] = [{ name: 'INPUT0', shape: [1, 12], datatype: 'FP64', data: x }];
  const weight = (i: number, target: number): number => ((i + 1) / 8) * (-1) ** (i + target);

  test.each([
    ['kernel_shap', { samples: 4_094 }, 4_094],
    ['kernel_shap', { samples: 200, seed: 3 }, 200],
    ['occlusion', { patch: 1 }, 12],
  ])('%s of a linear model is weight × (x − background): %j', async (method, options, evaluations) => {
    for (const [target, background] of [
      [0, 0],
      [1, 0.5],
    ] as const) {
      const { parameters, outputs } = await explained(client, 'linear', linear, {
        method,
        target,
        background,
        ...options,
      });
      const exact = x.map((value, i) => weight(i, target) * (value - background));
      expect(outputs.map(({ name, shape, datatype }) => [name, shape, datatype])).toEqual([
        ['attribution', [1, 12], 'FP32'],
      ]);
      expect(worst(outputs[0]?.data ?? [], exact)).toBeLessThan(1e-6);
      const bias = [0.5, -0.25][target] as number;
      const base = bias + x.reduce((sum, _, i) => sum + weight(i, target) * background, 0);
      expect(parameters).toMatchObject({
        method,
        target,
        background,
        input: 'INPUT0',
        output: 'OUTPUT0',
        partial: false,
      });
      expect(parameters.base_value).toBeCloseTo(base, 10);
      expect(parameters.value).toBeCloseTo(base + exact.reduce((sum, each) => sum + each, 0), 10);
      expect(Math.abs(parameters.completeness as number)).toBeLessThan(1e-6);
      // Beside the request, the background, and the row that shows that rows are independent.
      expect(parameters.evaluations).toBeGreaterThan(12);
      expect(parameters.evaluations).toBeLessThanOrEqual(evaluations + 3);
    }
  });

  test('neighbours that are one feature share its value', async () => {
    const { outputs } = await explained(client, 'linear', linear, { target: 0, patch: 5 });
    const exact = x.map((value, i) => weight(i, 0) * value);
    const shared = [
      [0, 5],
      [5, 10],
      [10, 12],
    ].flatMap(([start = 0, end = 0]) => {
      const sum = exact.slice(start, end).reduce((total, value) => total + value, 0);
      return Array<number>(end - start).fill(sum / (end - start));
    });
    expect(worst(outputs[0]?.data ?? [], shared)).toBeLessThan(1e-6);
  });

  test('of several inputs each has its own tensor, under its name; integers as well', async () => {
    const a = Array.from({ length: 16 }, (_, i) => i * i - 40);
    const b = Array.from({ length: 16 }, (_, i) => 7 - i);
    const inputs = [a, b].map((data, i) => ({ name: `INPUT${i}`, shape: [1, 16], datatype: 'INT32', data }));
    const { outputs, parameters } = await explained(client, 'add_sub', inputs, {
      output: 'OUTPUT1',
      target: 5,
      background: 2,
    });
    expect(outputs.map(({ name, shape }) => [name, shape])).toEqual([
      ['INPUT0', [1, 16]],
      ['INPUT1', [1, 16]],
    ]);
    expect(parameters).toMatchObject({ method: 'kernel_shap', base_value: 0, value: -15 - 2 });
    expect(parameters).not.toHaveProperty('input');
    const only5 = (value: number): number[] => a.map((_, i) => (i === 5 ? value : 0));
    expect(worst(outputs[0]?.data ?? [], only5(-15 - 2))).toBeLessThan(1e-6);
    expect(worst(outputs[1]?.data ?? [], only5(-(2 - 2)))).toBeLessThan(1e-6);
  });

  test('the target is the largest element by default, and has its label', async () => {
    const input = identityInput('FP32', [1, 8], [1, -1, 0.5, 2, -0.3, 0.1, 1.5, -2]);
    const scores = JSON.parse((await infer(client, 'network', input)).text).outputs[0].data as number[];
    const top = scores.indexOf(Math.max(...scores));
    const { parameters } = await explained(client, 'labelled', input);
    expect(parameters).toMatchObject({ target: top, target_label: ['ant', 'bee', 'cat'][top], value: scores[top] });
    expect(Math.abs(parameters.completeness as number)).toBeLessThan(1e-6);
    expect((await explained(client, 'network', input)).parameters).not.toHaveProperty('target_label');
  });

  test('models without a batch dimension are computed one by one, and so are those whose rows depend on each other', async () => {
    const { outputs } = await explained(client, 'scalar', identityInput('FP32', [1], [3]));
    expect(outputs[0]).toMatchObject({ name: 'attribution', shape: [1], data: [6] });
    const sums = await explained(client, 'running_sum', identityInput('FP32', [1, 2], [3, 4]), { target: 1, patch: 1 });
    expect(worst(sums.outputs[0]?.data ?? [], [0, 4])).toBeLessThan(1e-6);
  });

  test('tensors may be binary in both directions', async () => {
    const data = new Float32Array([1, -1, 0.5, 2, -0.3, 0.1, 1.5, -2]);
    const request = (more: object, input: object): string =>
      JSON.stringify({
        ...more,
        inputs: [{ name: 'INPUT0', shape: [1, 8], datatype: 'FP32', ...input }],
      });
    const plain = await client.call('/v2/models/network/versions/1/explain', {
      body: request({}, { data: [...data] }),
    });
    const header = request({ parameters: { binary_data_output: true } }, { parameters: { binary_data_size: 32 } });
    const binary = await client.call('/v2/models/network/versions/1/explain', {
      headers: { 'Inference-Header-Content-Length': String(header.length) },
      body: Buffer.concat([Buffer.from(header), Buffer.from(data.buffer)]),
    });
    const length = Number(binary.headers.get('inference-header-content-length'));
    const { outputs, parameters } = JSON.parse(binary.bytes.subarray(0, length).toString());
    expect(outputs).toEqual([
      { name: 'attribution', datatype: 'FP32', shape: [1, 8], parameters: { binary_data_size: 32 } },
    ]);
    const tensor = new Float32Array(new Uint8Array(binary.bytes.subarray(length)).buffer);
    expect({ parameters, data: Array.from(tensor, Number) }).toEqual({
      parameters: JSON.parse(plain.text).parameters,
      data: Array.from(new Float32Array(JSON.parse(plain.text).outputs[0].data)),
    });
  });

  test('the same seed gives the same answer, another one other coalitions', async () => {
    const picture = pictureWith(pictures(5), 2);
    const of = async (seed: number): Promise<number[]> =>
      (await explained(client, 'planted', picture, { method: 'kernel_shap', samples: 400, seed })).outputs[0]?.data ??
      [];
    const first = await of(1);
    expect(await of(1)).toEqual(first);
    expect(await of(2)).not.toEqual(first);
  });

  test('what the deadline cuts is marked, and sums up all the same', async () => {
    const input = identityInput('FP32', [1, 1024], Array(1024).fill(1));
    await infer(client, 'reflections', input);
    const options = { target: 3, samples: 8_000, timeout: 1_200_000 };
    const { parameters } = await explained(client, 'reflections', input, options);
    expect(parameters.partial).toBe(true);
    expect(parameters.evaluations).toBeGreaterThan(2);
    expect(parameters.evaluations).toBeLessThan(parameters.samples as number);
    expect(Math.abs(parameters.completeness as number)).toBeLessThan(1e-5);
  });

  test.each<[string, string, JsonTensor[], object, string]>([
    [
      'a method',
      'linear',
      linear,
      { method: 'lime' },
      "parameter 'method' is 'lime'; expected 'occlusion' or 'kernel_shap'",
    ],
    ['a target', 'linear', linear, { target: -1 }, "parameter 'target' is '-1'; expected an integer from 0 to"],
    [
      'a target that is not there',
      'linear',
      linear,
      { target: 2 },
      "parameter 'target' is 2; expected an index of 'OUTPUT0', from 0 to 1",
    ],
    [
      'an output',
      'linear',
      linear,
      { output: 'x' },
      "parameter 'output' is 'x', which is no numeric output of 'linear'; expected 'OUTPUT0'",
    ],
    ['a background', 'linear', linear, { background: 'black' }, "parameter 'background' is 'black'; expected a number"],
    ['a patch', 'linear', linear, { patch: 13 }, "parameter 'patch' is 13; expected at most 12"],
    ['a fraction', 'linear', linear, { patch: 1.5 }, "parameter 'patch' is '1.5'; expected an integer from 1 to 4096"],
    [
      'a stride',
      'linear',
      linear,
      { method: 'occlusion', patch: 2, stride: 3 },
      "parameter 'stride' is 3; expected at most the patch, 2",
    ],
    ['few samples', 'linear', linear, { samples: 23 }, "parameter 'samples' is 23; expected at least 24"],
    [
      'many samples',
      'linear',
      linear,
      { samples: 16_385 },
      "parameter 'samples' is '16385'; expected an integer from 1 to 16384",
    ],
    [
      'a seed',
      'linear',
      linear,
      { seed: 2 ** 32 },
      "parameter 'seed' is '4294967296'; expected an integer from 0 to 4294967295",
    ],
    [
      'many features',
      'identity_fp32',
      identityInput('FP32', [1, 257], Array(257).fill(1)),
      { patch: 1 },
      'patch 1 makes 257 features; expected at most 256',
    ],
    [
      'many evaluations',
      'identity_fp32',
      identityInput('FP32', [1, 16_400], Array(16_400).fill(1)),
      { method: 'occlusion', patch: 1 },
      'patch 1 and stride 1 need 16400 evaluations; expected at most 16384',
    ],
    ['two items', 'identity_fp32', identityInput('FP32', [2, 1], [1, 2]), {}, 'the request has 2 items; expected one'],
    [
      'no elements',
      'identity_fp32',
      identityInput('FP32', [1, 0], []),
      {},
      "'identity_fp32' got no numeric input with elements",
    ],
    [
      'text',
      'identity_bytes',
      identityInput('BYTES', [1, 1], ['a']),
      {},
      "'identity_bytes' got no numeric input with elements",
    ],
    [
      'a yes or no',
      'identity_bool',
      identityInput('BOOL', [1, 1], [true]),
      {},
      "'identity_bool' has no numeric output",
    ],
    [
      'a fraction of an integer',
      'add_sub',
      [0, 1].map((i) => ({ name: `INPUT${i}`, shape: [1, 16], datatype: 'INT32', data: Array(16).fill(1) })),
      { background: 0.5 },
      "parameter 'background' is 0.5, which INT32 of input 'INPUT0' can't hold",
    ],
    [
      'what is not finite without its input',
      'log',
      identityInput('FP32', [1, 2], [1, 2]),
      {},
      "output 'OUTPUT0' at index 1 is -Infinity for this input, or for parts of it",
    ],
    [
      'another datatype',
      'linear',
      identityInput('FP32', [1, 12], x),
      {},
      "inference input 'INPUT0' data-type is 'FP32'",
    ],
  ])('refuses %s with a sentence', async (_, name, inputs, parameters, sentence) => {
    const { status, text } = await explain(client, name, inputs, parameters);
    expect([status, JSON.parse(text).error]).toEqual([400, expect.stringContaining(sentence)]);
  });

  test('refuses outputs that an explanation has not, and models that are not there', async () => {
    const body = JSON.stringify({ inputs: linear, outputs: [{ name: 'OUTPUT0' }] });
    const { status, text } = await client.call('/v2/models/linear/explain', { body });
    expect([status, JSON.parse(text).error]).toEqual([
      400,
      "an explanation has no output 'OUTPUT0'; expected 'attribution'",
    ]);
    expect((await explain(client, 'nothing', linear)).status).toBe(404);
  });

  test('runs of the model are counted, with their rows', async () => {
    const read = async (): Promise<[number, number, number]> => {
      const [stats] = JSON.parse((await client.call('/v2/models/network/stats')).text).model_stats;
      return [stats.inference_count, stats.execution_count, stats.inference_stats.success.count];
    };
    const before = await read();
    const { parameters } = await explained(client, 'network', identityInput('FP32', [1, 8], Array(8).fill(1)));
    const after = await read();
    const [rows = 0, runs = 0, requests = 0] = after.map((count, i) => count - (before[i] as number));
    expect(rows).toBe(parameters.evaluations);
    expect(requests).toBe(runs);
    expect(runs).toBeGreaterThan(5);
    expect(runs).toBeLessThan(rows / 3);
  });
});

/** Pixels by chance, alike each time. */
function pictures(seed: number): Float32Array {
  return Float32Array.from(
    { length: 256 },
    (_, i) => Math.sin((seed + 1) * 12.9898 + (i + 1) * 78.233 * (seed + 2)) * 0.7,
  );
}

/** The pattern that the model looks for, in one of the 16 patches of four pixels a side. */
function pictureWith(pixels: Float32Array, patch: number): JsonTensor[] {
  const [top, left] = [Math.floor(patch / 4) * 4, (patch % 4) * 4];
  for (let row = 0; row < 4; row++) {
    for (let column = 0; column < 4; column++) pixels[(top + row) * 16 + left + column] = (-1) ** (row + column);
  }
  return [{ name: 'INPUT0', shape: [1, 1, 16, 16], datatype: 'FP32', data: [...pixels] }];
}

describe('what a model looks for', () => {
  let client: Client;
  beforeAll(async () => {
    client = await (LOCAL_EDGES[0] as (typeof EDGES)[number]).open({ MODEL_REPOSITORY: folder });
  });
  afterAll(() => client.close());

  test.each(['occlusion', 'kernel_shap'])(
    'is found by %s where it was planted, in at least 95 of 100 images',
    async (method) => {
      let found = 0;
      for (let i = 0; i < 100; i++) {
        const planted = (i * 7) % 16;
        const options = { method, patch: 4, ...(method === 'kernel_shap' ? { samples: 256 } : {}) };
        const { outputs } = await explained(client, 'planted', pictureWith(pictures(i), planted), options);
        const sums = Array<number>(16).fill(0);
        for (const [at, value] of (outputs[0]?.data ?? []).entries()) {
          const patch = Math.floor(at / 64) * 4 + Math.floor((at % 16) / 4);
          sums[patch] = (sums[patch] as number) + value;
        }
        if (sums.indexOf(Math.max(...sums)) === planted) found++;
      }
      expect(found).toBeGreaterThanOrEqual(95);
    },
  );
});

describe.each(LOCAL_EDGES)('explanations beside others, through $name', (edge) => {
  let client: Client;
  beforeAll(async () => {
    client = await edge.open({ MODEL_REPOSITORY: folder });
  });
  afterAll(() => client.close());

  test('leave room for requests, and only some are computed at once', async () => {
    const input = identityInput('FP32', [1, 512], Array(512).fill(1));
    const order: string[] = [];
    const slow = Array.from({ length: 5 }, async () => {
      const { status, headers, text } = await explain(client, 'slow_matmul', input, { timeout: 2_500_000 });
      order.push(status === 200 ? 'explained' : String(status));
      if (status === 503) {
        expect(headers.get('retry-after')).toBe('1');
        expect(JSON.parse(text).error).toBe('4 explanations are under way; try again later');
      }
    });
    while (order.length === 0) await new Promise(setImmediate);
    expect((await infer(client, 'identity_fp32', identityInput('FP32', [1, 1], [1]))).status).toBe(200);
    order.push('answered');
    await Promise.all(slow);
    expect(order.slice(0, 2)).toEqual(['503', 'answered']);
    expect(order.filter((what) => what === '503')).toHaveLength(1);
  });
});

test("a digit's answer is explained with its label, by its pixels", async () => {
  const artifacts = join(import.meta.dirname, '../../model-artifacts');
  const client = await (LOCAL_EDGES[0] as (typeof EDGES)[number]).open({ MODEL_REPOSITORY: artifacts });
  const { inputs } = JSON.parse(readFileSync(join(artifacts, 'digits/samples/request.json'), 'utf8'));
  for (const method of [undefined, 'kernel_shap']) {
    const { parameters, outputs } = await explained(client, 'digits', inputs, method === undefined ? {} : { method });
    expect(parameters).toMatchObject({ method: method ?? 'occlusion', target_label: '7', patch: 4, partial: false });
    expect(outputs[0]?.shape).toEqual([1, 3, 32, 32]);
  }
  await client.close();
});
