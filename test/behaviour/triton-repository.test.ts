import { readdirSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { type Client, EDGES, LOCAL_EDGES } from '../setup/edges.ts';
import { madeRepository } from '../setup/repository.ts';
import { identityInput, infer } from '../setup/requests.ts';

const { folder, model, remove } = madeRepository(() => inject('repository'));

const fp32 = (name: string, dims: string, more = ''): string =>
  `{ name: "${name}" data_type: TYPE_FP32 dims: [ ${dims} ] ${more} }`;
const identity = (dims: string, more = '', outputMore = more): string =>
  `input [ ${fp32('INPUT0', dims, more)} ] output [ ${fp32('OUTPUT0', dims, outputMore)} ]`;

const OPTIONAL = ['INPUT0', 'INPUT1']
  .map((name) => `input { name: "${name}" data_type: TYPE_INT32 dims: [ 16 ] optional: ${name === 'INPUT1'} }`)
  .concat('max_batch_size: 4')
  .join('\n');

beforeAll(() => {
  model('plain', 'identity_fp32', '');
  model('scores', 'identity_fp32', `max_batch_size: 8 ${identity('3', '', 'label_filename: "labels.txt"')}`, {
    labels: 'cat\ndog\r\nfish\n',
  });
  model('reshaped', 'identity_fp32', `max_batch_size: 8 ${identity('2, 2', 'reshape { shape: [ 4 ] }')}`);
  model('whole_shapes', 'identity_fp32', identity('-1, 3'));
  model('all_versions', 'identity_fp32', 'version_policy: { all { }}', { versions: ['1', '2', '10'] });
  model('latest_two', 'identity_fp32', 'version_policy { latest { num_versions: 2 } }', { versions: ['1', '2', '10'] });
  model('specific', 'identity_fp32', 'version_policy: { specific: { versions: [1, 2] } }', {
    versions: ['1', '2', '10'],
  });
  model('other_file', 'identity_fp32', 'default_model_filename: "net.onnx"', { file: 'net.onnx' });
  model('scalar_input', 'scalar', '');
  model('integers', 'identity_int64', '');
  // As Triton's own `--strict-model-config=false` prints it.
  model(
    'generated',
    'add_sub',
    `
name: "generated"
platform: "onnxruntime_onnx"
backend: "onnxruntime"
version_policy {
  latest {
    num_versions: 1
  }
}
max_batch_size: 4
input {
  name: "INPUT0"
  data_type: TYPE_INT32
  dims: 16
}
input {
  name: "INPUT1"
  data_type: TYPE_INT32
  dims: 16
}
output {
  name: "OUTPUT0"
  data_type: TYPE_INT32
  dims: 16
}
output {
  name: "OUTPUT1"
  data_type: TYPE_INT32
  dims: 16
}
instance_group {
  name: "generated"
  count: 2
  kind: KIND_CPU
}
default_model_filename: "model.onnx"
dynamic_batching {
  preferred_batch_size: 4
}
optimization {
  graph { level: 1 }
  execution_accelerators { gpu_execution_accelerator : [ { name : "tensorrt" } ] }
  input_pinned_memory {
    enable: true
  }
  output_pinned_memory {
    enable: true
  }
}
parameters { key: "intra_op_thread_count" value: { string_value: "1" } }
parameters { key: "session.intra_op.allow_spinning" value: { string_value: "0" } }
`,
  );
  const warm = (inputs: string, more = ''): string => `model_warmup [ { name: "first" inputs { ${inputs} } ${more} } ]`;
  const index = (content: string): string => `key: "INPUT0" value { data_type: TYPE_INT64 dims: [ 1 ] ${content} }`;
  const files = {
    'warmup/five': new Uint8Array([5, 0, 0, 0, 0, 0, 0, 0]),
    'warmup/ten': new Uint8Array([10, 0, 0, 0, 0, 0, 0, 0]),
  };
  model('warm_zero', 'lookup', warm(index('zero_data: true'), 'batch_size: 4 count: 2'));
  model('warm_random', 'lookup', warm(index('random_data: true')));
  model('warm_file', 'lookup', warm(index('input_data_file: "five"'), 'batch_size: 2'), { files });
  model('warm_failing', 'lookup', warm(index('input_data_file: "ten"')), { files });
  model('warm_missing', 'lookup', warm(index('input_data_file: "none"')), { files });
  model('warm_wrong', 'lookup', warm('key: "OTHER" value { data_type: TYPE_INT64 dims: [ 1 ] zero_data: true }'));
  model('warm_wide', 'lookup', warm(index('zero_data: true'), 'batch_size: 5'));
  model('defaulted', 'defaulted', '');
  model('optional', 'add_sub', OPTIONAL);
  model('optional_default', 'defaulted', `input [ ${fp32('INPUT0', '1')}, ${fp32('INPUT1', '1', 'optional: true')} ]`);
  for (const [name, config] of REFUSED) model(name, 'identity_fp32', config);
});
afterAll(remove);

/** Configurations that this server does not serve, and what its reason must tell. */
const REFUSED: [string, string, RegExp][] = [
  ['not_pbtxt', 'max_batch_size = 3', /config\.pbtxt can't be read/],
  [
    'unknown_field',
    'max_batch: 3',
    /line 1, column 1: unknown field 'max_batch' of ModelConfig; expected one of name, /,
  ],
  ['wrong_type', 'max_batch_size: "three"', /config\.pbtxt can't be read.*integer/],
  ['other_name', 'name: "somebody"', /has the name 'somebody'; expected the folder's, 'other_name'/],
  ['tensorflow', 'platform: "tensorflow_savedmodel"', /platform 'tensorflow_savedmodel'/],
  ['python', 'backend: "python"', /backend 'python'/],
  ['ensemble', 'ensemble_scheduling { step [ { model_name: "a" } ] }', /no ensembles/],
  ['sequences', 'sequence_batching { }', /no sequence batching/],
  [
    'preferred_above_max',
    'max_batch_size: 4 dynamic_batching { preferred_batch_size: [ 4, 8 ] }',
    /prefers batches of 8; expected at most its max_batch_size, 4/,
  ],
  ['custom_ops', 'model_operations { op_library_filename: "ops.so" }', /no custom operators/],
  ['decoupled', 'model_transaction_policy { decoupled: true }', /decoupled/],
  ['ragged', `max_batch_size: 4 ${identity('3', 'allow_ragged_batch: true', '')}`, /ragged/],
  [
    'wrong_input',
    `input [ ${fp32('WRONG', '3')} ] output [ ${fp32('OUTPUT0', '3')} ]`,
    /names the input 'WRONG'; the model has 'INPUT0'/,
  ],
  [
    'wrong_datatype',
    'max_batch_size: 4 input [ { name: "INPUT0" data_type: TYPE_INT8 dims: 3 } ]',
    /'INPUT0' is INT8; the model says FP32/,
  ],
  ['wrong_rank', `max_batch_size: 4 ${identity('3, 3')}`, /has the shape \[-1,3,3\].*the model says \[-1,-1\]/],
  [
    'wrong_reshape',
    `max_batch_size: 4 ${identity('2, 3', 'reshape { shape: [ 4 ] }')}`,
    /reshapes 'INPUT0' from \[2,3\] to \[4\]/,
  ],
  [
    'no_labels',
    `max_batch_size: 4 ${identity('3', '', 'label_filename: "labels.txt"')}`,
    /label file 'labels\.txt', which can't be read/,
  ],
  [
    'labels_outside',
    `max_batch_size: 4 ${identity('3', '', 'label_filename: "../scores/labels.txt"')}`,
    /file outside of its folder/,
  ],
  ['file_outside', 'default_model_filename: "../../plain/1/model.onnx"', /file outside of its folder/],
];

describe.each(EDGES)('a Triton repository through $name', (edge) => {
  let client: Client;
  beforeAll(async () => {
    client = await edge.open({ MODEL_REPOSITORY: folder });
  });
  afterAll(() => client.close());

  const get = async (path: string): Promise<[number, unknown]> => {
    const { status, text } = await client.call(path);
    return [status, JSON.parse(text)];
  };
  const rows = (count: number, columns: number) =>
    identityInput('FP32', [count, columns], Array(count * columns).fill(1));

  test('without config.pbtxt: batches of up to 4 rows, and a configuration that says so', async () => {
    expect(await get('/v2/models/plain/config')).toEqual([
      200,
      {
        name: 'plain',
        platform: 'onnxruntime_onnx',
        backend: 'onnxruntime',
        version_policy: { latest: { num_versions: 1 } },
        max_batch_size: 4,
        input: [{ name: 'INPUT0', data_type: 'TYPE_FP32', dims: [-1] }],
        output: [{ name: 'OUTPUT0', data_type: 'TYPE_FP32', dims: [-1] }],
        default_model_filename: 'model.onnx',
        // On Lambda requests come one at a time.
        ...(LOCAL_EDGES.includes(edge) ? { dynamic_batching: {} } : {}),
      },
    ]);
    expect((await infer(client, 'plain', rows(4, 2))).status).toBe(200);
    const { status, text } = await infer(client, 'plain', rows(5, 2));
    expect([status, JSON.parse(text).error]).toEqual([
      400,
      expect.stringMatching(/^inference request batch-size must be <= 4/),
    ]);
  });

  test('with inputs and outputs but no max_batch_size, dims are the whole shape', async () => {
    expect(await get('/v2/models/whole_shapes')).toEqual([
      200,
      expect.objectContaining({ inputs: [{ name: 'INPUT0', datatype: 'FP32', shape: [-1, 3] }] }),
    ]);
    expect((await infer(client, 'whole_shapes', rows(50, 3))).status).toBe(200);
    expect((await infer(client, 'whole_shapes', rows(1, 4))).status).toBe(400);
  });

  test("a scalar's configuration has dims [1] and an empty reshape", async () => {
    const [, config] = await get('/v2/models/scalar_input/config');
    expect(config).toMatchObject({ max_batch_size: 0, input: [{ dims: [1], reshape: { shape: [] } }] });
  });

  test('rows of the inputs must be as many', async () => {
    const inputs = [1, 2].map((count, i) => ({
      name: `INPUT${i}`,
      shape: [count, 16],
      datatype: 'INT32',
      data: Array(count * 16).fill(1),
    }));
    const { status, text } = await infer(client, 'generated', inputs);
    expect([status, JSON.parse(text).error]).toEqual([
      400,
      expect.stringMatching(/^input 'INPUT1' batch size does not match other inputs/),
    ]);
  });

  test("a configuration as Triton's tools write it", async () => {
    const inputs = [0, 1].map((i) => ({
      name: `INPUT${i}`,
      shape: [1, 16],
      datatype: 'INT32',
      data: Array(16).fill(i + 1),
    }));
    const { status, text } = await infer(client, 'generated', inputs);
    expect([status, JSON.parse(text).outputs[0].data]).toEqual([200, Array(16).fill(3)]);
    const [, config] = await get('/v2/models/generated/config');
    expect(config).toMatchObject({
      instance_group: [{ name: 'generated', count: 2, kind: 'KIND_CPU' }],
      dynamic_batching: { preferred_batch_size: [4] },
    });
  });

  test.each(['warm_zero', 'warm_random', 'warm_file'])('model_warmup: %s serves', async (name) => {
    expect((await client.call(`/v2/models/${name}/ready`)).status).toBe(200);
    const { model_stats } = JSON.parse((await client.call(`/v2/models/${name}/stats`)).text);
    expect(model_stats).toMatchObject([{ inference_count: 0 }]);
  });

  test.each([
    ['warm_failing', /model_warmup 'first' failed: the model could not compute these inputs/],
    ['warm_missing', /model_warmup 'first' failed: .*'none'/],
    ['warm_wrong', /model_warmup 'first' failed: unexpected inference input 'OTHER'/],
    ['warm_wide', /model_warmup 'first' failed: batch_size is 5; expected at most 4/],
  ])('model_warmup: %s does not serve', async (name, reason) => {
    const { status, text } = await client.call(`/v2/models/${name}/ready`);
    expect([status, JSON.parse(text).error]).toEqual([503, expect.stringMatching(reason)]);
    expect(text).not.toContain(folder);
  });

  test('settings that change no answer are named in the log', () => {
    expect(client.logged).toContainEqual(
      expect.objectContaining({ model: 'generated', unused: ['optimization.execution_accelerators'] }),
    );
  });

  test('inputs with a default in the model file keep it; to give them another value is refused', async () => {
    const { text } = await infer(client, 'defaulted', identityInput('FP32', [1, 1], [41]));
    expect(JSON.parse(text).outputs[0].data).toEqual([42]);
    const { status, text: refusal } = await client.call('/v2/models/optional_default/ready');
    expect([status, JSON.parse(refusal).error]).toEqual([503, expect.stringMatching(/names the input 'INPUT1'/)]);
  });

  test('an optional input that the model needs after all: the model says so', async () => {
    const one = { name: 'INPUT0', shape: [1, 16], datatype: 'INT32', data: Array(16).fill(1) };
    const { status, text } = await infer(client, 'optional', [one]);
    expect([status, JSON.parse(text).error]).toEqual([400, expect.stringMatching(/could not compute.*INPUT1/)]);
    expect((await infer(client, 'optional', [one, { ...one, name: 'INPUT1' }])).status).toBe(200);
    expect((await infer(client, 'optional', [{ ...one, name: 'INPUT1' }])).status).toBe(400);
  });

  test('reshape: the client sees dims, the model its own shape', async () => {
    expect(await get('/v2/models/reshaped')).toEqual([
      200,
      expect.objectContaining({
        inputs: [{ name: 'INPUT0', datatype: 'FP32', shape: [-1, 2, 2] }],
        outputs: [{ name: 'OUTPUT0', datatype: 'FP32', shape: [-1, 2, 2] }],
      }),
    ]);
    const { text } = await infer(
      client,
      'reshaped',
      identityInput(
        'FP32',
        [3, 2, 2],
        Array.from({ length: 12 }, (_, i) => i),
      ),
    );
    expect(JSON.parse(text).outputs[0]).toEqual({
      name: 'OUTPUT0',
      datatype: 'FP32',
      shape: [3, 2, 2],
      data: Array.from({ length: 12 }, (_, i) => i),
    });
    expect((await infer(client, 'reshaped', rows(1, 4))).status).toBe(400);
  });

  test('another file name for the model', async () => {
    expect((await infer(client, 'other_file', rows(1, 1))).status).toBe(200);
  });

  test.each([
    ['all_versions', ['1', '2', '10'], []],
    ['latest_two', ['2', '10'], ['1']],
    ['specific', ['1', '2'], ['10']],
  ])('version_policy: %s', async (name, servable, hidden) => {
    for (const version of servable)
      expect((await client.call(`/v2/models/${name}/versions/${version}/ready`)).status).toBe(200);
    for (const version of hidden) {
      const { status, text } = await client.call(`/v2/models/${name}/versions/${version}/ready`);
      expect([status, JSON.parse(text).error]).toEqual([404, expect.stringMatching(/^Request for unknown model/)]);
    }
    const { text } = await infer(client, name, rows(1, 1));
    expect(JSON.parse(text).model_version).toBe(servable.at(-1));
    expect(await get(`/v2/models/${name}`)).toEqual([200, expect.objectContaining({ versions: servable })]);
  });

  test.each(REFUSED)('%s is UNAVAILABLE, with the reason', async (name, _, reason) => {
    const { status, text, headers } = await client.call(`/v2/models/${name}/ready`);
    expect([status, JSON.parse(text).error]).toEqual([
      503,
      expect.stringMatching(/^Request for unknown model: .*not at ready state: failed to load: /),
    ]);
    expect(JSON.parse(text).error).toMatch(reason);
    expect(headers.has('retry-after')).toBe(true);
    const { text: index } = await client.call('/v2/repository/index', { method: 'POST' });
    const entry = (JSON.parse(index) as { name: string; reason?: string }[]).find((found) => found.name === name);
    expect(entry).toMatchObject({ state: 'UNAVAILABLE', reason: expect.stringMatching(reason) });
  });

  const classes = (count: unknown, more: object = {}) => ({
    outputs: [{ name: 'OUTPUT0', parameters: { classification: count, ...more } }],
  });

  test('classification: the highest values of each row, with their labels', async () => {
    const input = identityInput('FP32', [2, 3], [0.25, 3.3, -1, 7, 7, 1e10]);
    const { text } = await infer(client, 'scores', input, classes(2));
    expect(JSON.parse(text).outputs).toEqual([
      {
        name: 'OUTPUT0',
        datatype: 'BYTES',
        shape: [2, 2],
        data: ['3.300000:1:dog', '0.250000:0:cat', '10000000000.000000:2:fish', '7.000000:0:cat'],
      },
    ]);
    const all = await infer(client, 'scores', input, classes(100));
    expect(JSON.parse(all.text).outputs[0].shape).toEqual([2, 3]);
  });

  test('classification of integers, without labels, and in binary', async () => {
    const input = identityInput('INT64', [1, 3], [5, -2, 9]);
    const { text } = await infer(client, 'integers', input, classes(2));
    expect(JSON.parse(text).outputs[0].data).toEqual(['9:2', '5:0']);
    const { bytes, headers } = await infer(client, 'integers', input, classes(1, { binary_data: true }));
    expect(bytes.subarray(Number(headers.get('inference-header-content-length'))).toString('latin1')).toBe(
      '\x03\x00\x00\x009:2',
    );
  });

  test.each([0, -1, 1.5, '2', true])('classification: %o is refused', async (count) => {
    const { status, text } = await infer(client, 'scores', rows(1, 3), classes(count));
    expect([status, JSON.parse(text).error]).toEqual([
      400,
      expect.stringMatching(/'classification' of output 'OUTPUT0' is/),
    ]);
  });

  test('a raw request: the bytes of the one input and nothing else', async () => {
    const headers = { 'inference-header-content-length': '0' };
    const values = new Float32Array([1, 2, 3]);
    const call = (name: string, body: Uint8Array) => client.call(`/v2/models/${name}/infer`, { body, headers });
    const reply = await call('plain', Buffer.from(values.buffer));
    const length = Number(reply.headers.get('inference-header-content-length'));
    expect(JSON.parse(reply.bytes.subarray(0, length).toString()).outputs[0].shape).toEqual([1, 3]);
    expect(reply.bytes.subarray(length).equals(Buffer.from(values.buffer))).toBe(true);
    for (const [name, body, sentence] of [
      ['generated', Buffer.alloc(64), /must only have 1 input \(found 2\)/],
      ['plain', Buffer.alloc(6), /can't be deduced from 6 bytes/],
      ['scores', Buffer.alloc(8), /byte size mismatch/],
    ] as const) {
      const { status, text } = await call(name, body);
      expect([status, JSON.parse(text).error]).toEqual([400, expect.stringMatching(sentence)]);
    }
  });

  test('the repository index lists what is there; ready: true only what serves', async () => {
    const index = async (body?: string) =>
      JSON.parse((await client.call('/v2/repository/index', { method: 'POST', ...(body ? { body } : {}) })).text) as {
        name: string;
        version?: string;
        state?: string;
      }[];
    const all = await index();
    expect(all).toContainEqual({ name: 'plain', version: '1', state: 'READY' });
    expect(new Set(all.map(({ name }) => name)).size).toBe(readdirSync(folder).length);
    const ready = await index('{"ready":true}');
    expect(ready.every(({ state }) => state === 'READY')).toBe(true);
    expect(ready.length).toBeLessThan(all.length);
    expect((await client.call('/v2/repository/index', { body: '{"ready":1}' })).status).toBe(400);
    expect(JSON.parse((await client.call('/v2/models')).text).models).toContain('plain');
  });

  test('statistics of one version', async () => {
    const read = async () =>
      JSON.parse((await client.call('/v2/models/whole_shapes/versions/1/stats')).text).model_stats;
    const [before] = await read();
    await infer(client, 'whole_shapes', rows(7, 3));
    await infer(client, 'whole_shapes', rows(7, 1));
    const stats = await read();
    expect(stats).toHaveLength(1);
    expect(stats[0]).toMatchObject({ name: 'whole_shapes', version: '1', execution_count: before.execution_count + 1 });
    expect(stats[0].inference_stats.success.count).toBe(before.inference_stats.success.count + 1);
    expect(stats[0].inference_stats.fail.count).toBe(before.inference_stats.fail.count + 1);
    expect(stats[0].inference_stats.compute_infer.ns).toBeGreaterThan(before.inference_stats.compute_infer.ns);
    expect(Date.now() - stats[0].last_inference).toBeLessThan(60_000);
    const all = JSON.parse((await client.call('/v2/models/stats')).text).model_stats;
    expect(all.length).toBeGreaterThan(5);
  });

  test('a request may ask for less time than the server gives', async () => {
    const { status } = await infer(client, 'plain', rows(1, 1), { parameters: { timeout: 60_000_000 } });
    expect(status).toBe(200);
  });
});
