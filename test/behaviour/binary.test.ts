import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { type Client, EDGES, type Reply } from '../setup/edges.ts';

type Part = { name: string; datatype: string; shape: number[]; bytes: Uint8Array };

/** A request as tritonclient sends it: JSON, then the inputs' bytes; no Content-Type. */
function binaryCall(
  client: Client,
  model: string,
  inputs: (Part | object)[],
  more: object = {},
  headers: object = {},
): Promise<Reply> {
  const parts = inputs.flatMap((input) => ('bytes' in input ? [input.bytes] : []));
  const described = inputs.map((input) => {
    if (!('bytes' in input)) return input;
    const { bytes, ...tensor } = input;
    return { ...tensor, parameters: { binary_data_size: bytes.length } };
  });
  const json = Buffer.from(JSON.stringify({ inputs: described, ...more }));
  return client.call(`/v2/models/${model}/infer`, {
    body: Buffer.concat([json, ...parts]),
    headers: { 'inference-header-content-length': String(json.length), ...headers },
  });
}

const bytesOf = (array: ArrayBufferView): Uint8Array =>
  new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
const input = (datatype: string, shape: number[], bytes: Uint8Array): Part => ({
  name: 'INPUT0',
  datatype,
  shape,
  bytes,
});
const ALL_BINARY = { parameters: { binary_data_output: true } };

/** The response's JSON, and the bytes after it. */
function split(reply: Reply): { json: { outputs: { parameters?: object; data?: unknown }[] }; rest: Buffer } {
  const length = Number(reply.headers.get('inference-header-content-length'));
  return { json: JSON.parse(reply.bytes.subarray(0, length).toString()), rest: reply.bytes.subarray(length) };
}

describe.each(EDGES)('the binary tensor data extension through $name', (edge) => {
  let client: Client;
  beforeAll(async () => {
    client = await edge.open({ MODEL_REPOSITORY: inject('repository') });
  });
  afterAll(() => client.close());

  test.each([
    ['BOOL', new Uint8Array([1, 0, 1, 1])],
    ['UINT8', new Uint8Array([0, 1, 254, 255])],
    ['UINT16', new Uint16Array([0, 1, 65534, 65535])],
    ['UINT32', new Uint32Array([0, 1, 2 ** 32 - 2, 2 ** 32 - 1])],
    ['UINT64', new BigUint64Array([0n, 1n, 2n ** 53n + 1n, 2n ** 64n - 1n])],
    ['INT8', new Int8Array([-128, -1, 0, 127])],
    ['INT16', new Int16Array([-32768, -1, 0, 32767])],
    ['INT32', new Int32Array([-(2 ** 31), -1, 0, 2 ** 31 - 1])],
    ['INT64', new BigInt64Array([-(2n ** 63n), -1n, 2n ** 53n + 1n, 2n ** 63n - 1n])],
    ['FP16', new Float16Array([0.5, -65504, Number.NaN, -0])],
    ['FP32', new Float32Array([0.1, Number.NEGATIVE_INFINITY, Number.NaN, -0])],
    ['FP64', new Float64Array([0.1, Number.POSITIVE_INFINITY, Number.NaN, 5e-324])],
    ['BYTES', Buffer.from('\x02\0\0\0ab\0\0\0\0\x02\0\0\0\xc3\xa9\x01\0\0\0x', 'latin1')],
  ])('%s goes in and comes out bit by bit', async (datatype, array) => {
    const bytes = bytesOf(array);
    const reply = await binaryCall(
      client,
      `identity_${datatype.toLowerCase()}`,
      [input(datatype, [2, 2], bytes)],
      ALL_BINARY,
    );
    expect(reply.status, reply.text).toBe(200);
    expect(reply.headers.get('content-type')).toBe('application/octet-stream');
    expect(reply.headers.get('content-length')).toBe(String(reply.bytes.length));
    const { json, rest } = split(reply);
    expect(json.outputs).toEqual([
      { name: 'OUTPUT0', datatype, shape: [2, 2], parameters: { binary_data_size: bytes.length } },
    ]);
    expect(rest.equals(Buffer.from(bytes))).toBe(true);
  });

  const row = Int32Array.from({ length: 16 }, (_, i) => i);
  const second = { name: 'INPUT1', shape: [1, 16], datatype: 'INT32', data: Array(16).fill(1) };
  const first = { ...input('INT32', [1, 16], bytesOf(row)) };

  test('JSON and binary mixed, in and out', async () => {
    const outputs = [{ name: 'OUTPUT1' }, { name: 'OUTPUT0', parameters: { binary_data: true } }];
    const { json, rest } = split(await binaryCall(client, 'add_sub', [first, second], { outputs }));
    expect(json.outputs).toEqual([
      { name: 'OUTPUT1', datatype: 'INT32', shape: [1, 16], data: Array.from(row, (x) => x - 1) },
      { name: 'OUTPUT0', datatype: 'INT32', shape: [1, 16], parameters: { binary_data_size: 64 } },
    ]);
    expect(Array.from(new Int32Array(new Uint8Array(rest).buffer))).toEqual(Array.from(row, (x) => x + 1));
  });

  test("an output's own binary_data goes before the request's binary_data_output", async () => {
    const outputs = [{ name: 'OUTPUT0', parameters: { binary_data: false } }, { name: 'OUTPUT1' }];
    const { json } = split(await binaryCall(client, 'add_sub', [first, second], { outputs, ...ALL_BINARY }));
    expect(json.outputs.map((output) => 'data' in output)).toEqual([true, false]);
  });

  test('without a wish the outputs are JSON', async () => {
    const reply = await binaryCall(client, 'add_sub', [first, second]);
    expect(reply.headers.get('content-type')).toBe('application/json');
    expect(reply.headers.has('inference-header-content-length')).toBe(false);
    expect(JSON.parse(reply.text).outputs[0].data).toEqual(Array.from(row, (x) => x + 1));
  });

  test('a tensor without elements: no bytes, so plain JSON comes back', async () => {
    const reply = await binaryCall(client, 'identity_fp32', [input('FP32', [0, 2], new Uint8Array())], ALL_BINARY);
    expect(reply.headers.get('content-type')).toBe('application/json');
    expect(JSON.parse(reply.text).outputs[0]).toMatchObject({ shape: [0, 2], parameters: { binary_data_size: 0 } });
  });

  test("the response's tensors start at a multiple of 8", async () => {
    for (const id of ['', 'a', 'ab', 'abc', 'abcd']) {
      const reply = await binaryCall(client, 'add_sub', [first, second], { id, ...ALL_BINARY });
      expect(Number(reply.headers.get('inference-header-content-length')) % 8).toBe(0);
    }
  });

  const data = bytesOf(new Float32Array([1, 2]));
  const good = input('FP32', [1, 2], data);

  test.each<[string, (object | Part)[], object, object, RegExp]>([
    [
      'a header length beyond the body',
      [good],
      {},
      { 'inference-header-content-length': '999999' },
      /is '999999'; expected/,
    ],
    ['a negative header length', [good], {}, { 'inference-header-content-length': '-1' }, /is '-1'; expected/],
    ['a header length that is no number', [good], {}, { 'inference-header-content-length': '1e2' }, /is '1e2'/],
    ['a header length of 30 digits', [good], {}, { 'inference-header-content-length': '9'.repeat(30) }, /is '9+'/],
    [
      'a header length inside the JSON',
      [good],
      {},
      { 'inference-header-content-length': '20' },
      /malformed JSON: it ends/,
    ],
    [
      'bytes missing',
      [{ ...good, bytes: data.subarray(1) }],
      {},
      {},
      /byte size mismatch for 'INPUT0': got 7 bytes; expected 8/,
    ],
    [
      'bytes promised that are not there',
      [{ name: 'INPUT0', shape: [1, 2], datatype: 'FP32', parameters: { binary_data_size: 8 } }],
      {},
      {},
      /unexpected size for input 'INPUT0', expecting 8 additional bytes/,
    ],
    [
      'bytes that no input claims',
      [
        { ...good, bytes: Buffer.alloc(8) },
        { ...good, name: 'X', bytes: Buffer.alloc(3) },
      ],
      {},
      {},
      /byte size mismatch for 'X'/,
    ],
    [
      'surplus bytes',
      [
        { name: 'INPUT0', shape: [1, 1], datatype: 'FP32', data: [1] },
        { name: 'X', bytes: Buffer.alloc(3), shape: [3], datatype: 'UINT8' },
      ],
      {},
      {},
      /unexpected inference input 'X'/,
    ],
    [
      'a negative size',
      [{ name: 'INPUT0', shape: [1, 1], datatype: 'FP32', parameters: { binary_data_size: -1 } }],
      {},
      {},
      /'binary_data_size' of 'INPUT0' is '-1'/,
    ],
    [
      'a huge size',
      [{ name: 'INPUT0', shape: [1, 1], datatype: 'FP32', parameters: { binary_data_size: 2 ** 52 } }],
      {},
      {},
      /expecting \d+ additional/,
    ],
    [
      'a size that is text',
      [{ name: 'INPUT0', shape: [1, 1], datatype: 'FP32', parameters: { binary_data_size: '4' } }],
      {},
      {},
      /is '4'/,
    ],
    [
      'data and binary_data_size',
      [{ name: 'INPUT0', shape: [1, 1], datatype: 'FP32', data: [1], parameters: { binary_data_size: 4 } }],
      {},
      {},
      /both/,
    ],
    [
      'shared memory',
      [{ name: 'INPUT0', shape: [1, 1], datatype: 'FP32', parameters: { shared_memory_region: 'x' } }],
      {},
      {},
      /shared memory/,
    ],
    ['a reserved parameter', [good], { parameters: { triton_x: 1 } }, {}, /'triton_x'.*reserved/],
  ])('%s: 400', async (_, inputs, more, headers, sentence) => {
    const reply = await binaryCall(client, 'identity_fp32', inputs, more, headers);
    expect([reply.status, JSON.parse(reply.text).error]).toEqual([400, expect.stringMatching(sentence)]);
    expect((await binaryCall(client, 'identity_fp32', [good])).status).toBe(200);
  });

  test('bytes after the last input: 400', async () => {
    const json = JSON.stringify({ inputs: [{ name: 'INPUT0', shape: [1, 1], datatype: 'FP32', data: [1] }] });
    const headers = { 'inference-header-content-length': String(json.length) };
    const { status, text } = await client.call('/v2/models/identity_fp32/infer', { body: `${json}extra`, headers });
    expect([status, JSON.parse(text).error]).toEqual([
      400,
      expect.stringMatching(/^unexpected additional input data: 5 bytes/),
    ]);
  });

  test('binary_data_size without the header: 400', async () => {
    const body = JSON.stringify({
      inputs: [{ name: 'INPUT0', shape: [1, 1], datatype: 'FP32', parameters: { binary_data_size: 4 } }],
    });
    const { status, text } = await client.call('/v2/models/identity_fp32/infer', { body });
    expect([status, JSON.parse(text).error]).toEqual([
      400,
      expect.stringMatching(/no header Inference-Header-Content-Length/),
    ]);
  });
});
