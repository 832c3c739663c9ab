import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { type Client, EDGES, type LogLine } from '../setup/edges.ts';
import { identityInput, infer } from '../setup/requests.ts';

describe.each(EDGES)('the protocol through $name', (edge) => {
  let client: Client;

  beforeAll(async () => {
    client = await edge.open({ MODEL_REPOSITORY: inject('repository'), SERVER_NAME: 'tested' });
  });
  afterAll(() => client.close());

  const get = async (path: string): Promise<[number, unknown]> => {
    const { status, text } = await client.call(path);
    return [status, JSON.parse(text)];
  };

  test('health answers in a form that both tritonclient and the KServe client read', async () => {
    expect(await get('/v2/health/live')).toEqual([200, { live: true }]);
    expect(await get('/v2/health/ready')).toEqual([200, { live: true, ready: true }]);
    expect(await get('/v2/models/add_sub/ready')).toEqual([200, { name: 'add_sub', ready: true }]);
    expect(await get('/v2/models/add_sub/versions/1/ready')).toEqual([200, { name: 'add_sub', ready: true }]);
  });

  test.each(['/v2', '/v2/'])('%s tells the server', async (path) => {
    expect(await get(path)).toEqual([
      200,
      {
        name: 'tested',
        version: expect.stringMatching(/^\d+\.\d+\.\d+/),
        extensions: [
          'binary_tensor_data',
          'classification',
          'explain',
          'model_configuration',
          'model_repository',
          'parameters',
          'statistics',
        ],
      },
    ]);
  });

  test('metadata comes from the model itself', async () => {
    const metadata = {
      name: 'add_sub',
      versions: ['1'],
      platform: 'onnxruntime_onnx',
      inputs: [
        { name: 'INPUT0', datatype: 'INT32', shape: [-1, 16] },
        { name: 'INPUT1', datatype: 'INT32', shape: [-1, 16] },
      ],
      outputs: [
        { name: 'OUTPUT0', datatype: 'INT32', shape: [-1, 16] },
        { name: 'OUTPUT1', datatype: 'INT32', shape: [-1, 16] },
      ],
    };
    expect(await get('/v2/models/add_sub')).toEqual([200, metadata]);
    expect(await get('/v2/models/add_sub/versions/1')).toEqual([200, metadata]);
  });

  const row = Array.from({ length: 16 }, (_, i) => i);
  const addSub = [
    { name: 'INPUT0', shape: [2, 16], datatype: 'INT32', data: [...row, ...row.map((x) => x * 10)] },
    { name: 'INPUT1', shape: [2, 16], datatype: 'INT32', data: [row, row] },
  ];

  test('two inputs, two outputs, a batch of two, the id comes back', async () => {
    const { status, text, headers } = await infer(client, 'add_sub', addSub, { id: 'abc', model_name: 'ignored' });
    expect(status).toBe(200);
    expect(headers.get('content-type')).toBe('application/json');
    expect(JSON.parse(text)).toEqual({
      id: 'abc',
      model_name: 'add_sub',
      model_version: '1',
      outputs: [
        {
          name: 'OUTPUT0',
          datatype: 'INT32',
          shape: [2, 16],
          data: [...row.map((x) => 2 * x), ...row.map((x) => 11 * x)],
        },
        { name: 'OUTPUT1', datatype: 'INT32', shape: [2, 16], data: [...row.map(() => 0), ...row.map((x) => 9 * x)] },
      ],
    });
    expect(Object.keys(JSON.parse(text))).toEqual(['id', 'model_name', 'model_version', 'outputs']);
  });

  test('only the outputs that were asked for, in that order', async () => {
    const outputs = [{ name: 'OUTPUT1' }];
    const { text } = await infer(client, 'add_sub', addSub, { outputs });
    expect(JSON.parse(text).outputs.map((output: { name: string }) => output.name)).toEqual(['OUTPUT1']);
    expect(JSON.parse(text)).not.toHaveProperty('id');
  });

  test("data may come before the tensor's shape and datatype", async () => {
    const inputs = '[{"data":[[1,2],[3,4]],"shape":[2,2],"datatype":"FP32","name":"INPUT0"}]';
    const { text } = await infer(client, 'identity_fp32', inputs);
    expect(JSON.parse(text).outputs[0].data).toEqual([1, 2, 3, 4]);
  });

  test("a model's scalar is a tensor of one element, as Triton has it", async () => {
    expect(await get('/v2/models/scalar')).toEqual([
      200,
      expect.objectContaining({
        inputs: [{ name: 'INPUT0', datatype: 'FP32', shape: [1] }],
        outputs: [{ name: 'OUTPUT0', datatype: 'FP32', shape: [1] }],
      }),
    ]);
    const { status, text } = await infer(client, 'scalar', identityInput('FP32', [1], [21]));
    expect([status, JSON.parse(text).outputs[0]]).toEqual([200, expect.objectContaining({ shape: [1], data: [42] })]);
  });

  test('a tensor without elements', async () => {
    const { text } = await infer(client, 'identity_int64', identityInput('INT64', [0, 3], []));
    expect(JSON.parse(text).outputs[0]).toEqual({ name: 'OUTPUT0', datatype: 'INT64', shape: [0, 3], data: [] });
  });

  // The text that is sent, and the text that must come back.
  test.each([
    ['BOOL', '[true,false,true,true]', '[true,false,true,true]'],
    ['UINT8', '[0,1,254,255]', '[0,1,254,255]'],
    ['UINT16', '[0,1,65534,65535]', '[0,1,65534,65535]'],
    ['UINT32', '[0,1,4294967294,4294967295]', '[0,1,4294967294,4294967295]'],
    ['UINT64', '[0,9007199254740993,18446744073709551615,1]', '[0,9007199254740993,18446744073709551615,1]'],
    ['INT8', '[-128,-1,0,127]', '[-128,-1,0,127]'],
    ['INT16', '[-32768,-1,0,32767]', '[-32768,-1,0,32767]'],
    ['INT32', '[-2147483648,-1,0,2147483647]', '[-2147483648,-1,0,2147483647]'],
    [
      'INT64',
      '[-9223372036854775808,-9007199254740993,9007199254740993,9223372036854775807]',
      '[-9223372036854775808,-9007199254740993,9007199254740993,9223372036854775807]',
    ],
    ['FP16', '[0.5,-65504,NaN,1e-7]', '[0.5,-65504,NaN,1.1920928955078125e-7]'],
    ['FP32', '[0.1,-Infinity,NaN,3.4028234663852886e38]', '[0.10000000149011612,-Infinity,NaN,3.4028234663852886e+38]'],
    ['FP64', '[0.1,Infinity,5e-324,1.7976931348623157e308]', '[0.1,Infinity,5e-324,1.7976931348623157e+308]'],
    ['BYTES', '["","a\\"b\\u00e9","\u{1f600}","\\ud83d\\ude00"]', '["","a\\"b\u00e9","\u{1f600}","\u{1f600}"]'],
  ])('%s comes back as it went in', async (datatype, sent, expected) => {
    const inputs = `[{"name":"INPUT0","shape":[2,2],"datatype":"${datatype}","data":${sent}}]`;
    const { status, text } = await infer(client, `identity_${datatype.toLowerCase()}`, inputs);
    expect(status, text).toBe(200);
    expect(text).toContain(`"datatype":"${datatype}","shape":[2,2],"data":${expected}}`);
  });

  test('every request has an id, and keeps the one it came with', async () => {
    expect((await client.call('/v2')).headers.get('x-request-id')).toMatch(/^[0-9a-f-]{36}$/);
    const { headers } = await client.call('/v2', { headers: { 'X-Request-Id': 'mine' } });
    expect(headers.get('x-request-id')).toBe('mine');
  });

  test('one log line per request, with the trace it belongs to', async () => {
    const trace = '4bf92f3577b34da6a3ce929d0e0e4736';
    const body = JSON.stringify({ inputs: identityInput('UINT8', [1, 1], [7]) });
    await client.call('/v2/models/identity_uint8/infer', {
      body,
      headers: { traceparent: `00-${trace}-00f067aa0ba902b7-01`, 'X-Request-Id': 'logged' },
    });
    const lines = (): LogLine[] => client.logged.filter(({ id }) => id === 'logged');
    await expect.poll(lines).toHaveLength(1);
    expect(lines()[0]).toMatchObject({
      msg: 'request',
      trace_id: trace,
      model: 'identity_uint8',
      version: '1',
      status: 200,
      ms: expect.any(Number),
      bytes_in: body.length,
      bytes_out: expect.any(Number),
    });
  });
});
