import { deflateSync, gunzipSync, gzipSync, inflateSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { type Client, EDGES } from '../setup/edges.ts';
import { identityInput } from '../setup/requests.ts';

const PATH = '/v2/models/identity_int32/infer';
const request = (elements: number): string =>
  JSON.stringify({ inputs: identityInput('INT32', [1, elements], Array(elements).fill(7)) });

describe.each(EDGES)('compression through $name', (edge) => {
  let client: Client;
  beforeAll(async () => {
    client = await edge.open({ MODEL_REPOSITORY: inject('repository'), MAX_BODY_BYTES: '100000' });
  });
  afterAll(() => client.close());

  test.each([
    ['gzip', gzipSync],
    ['deflate', deflateSync],
    ['GZIP', gzipSync],
  ])('a request in %s', async (encoding, compress) => {
    const headers = { 'content-encoding': encoding };
    const { status, text } = await client.call(PATH, { body: compress(request(3)), headers });
    expect([status, JSON.parse(text).outputs[0].data]).toEqual([200, [7, 7, 7]]);
  });

  test('another encoding: 501, and what would be accepted', async () => {
    const { status, text, headers } = await client.call(PATH, {
      body: request(1),
      headers: { 'content-encoding': 'br' },
    });
    expect([status, JSON.parse(text).error]).toEqual([501, "Content-Encoding is 'br'; expected one of gzip, deflate"]);
    expect(headers.get('accept-encoding')).toBe('gzip, deflate');
  });

  test('a body that is not compressed as it says: 400', async () => {
    for (const body of [request(1), gzipSync(request(1)).subarray(0, 30)]) {
      const { status, text } = await client.call(PATH, { body, headers: { 'content-encoding': 'gzip' } });
      expect([status, JSON.parse(text).error]).toEqual([
        400,
        expect.stringContaining('not what Content-Encoding says'),
      ]);
    }
  });

  test('a bomb: 413 when the limit is passed, not after', async () => {
    const bomb = gzipSync(Buffer.alloc(50_000_000));
    expect(bomb.length).toBeLessThan(100_000);
    const { status, text } = await client.call(PATH, { body: bomb, headers: { 'content-encoding': 'gzip' } });
    expect([status, JSON.parse(text).error]).toEqual([413, expect.stringContaining('at most 100000 bytes')]);
  });

  test.each([
    ['gzip', 'gzip', gunzipSync],
    ['gzip, deflate', 'gzip', gunzipSync],
    ['deflate', 'deflate', inflateSync],
    ['gzip;q=0, deflate', 'deflate', inflateSync],
  ])('a long response for Accept-Encoding: %s', async (accept, encoding, decompress) => {
    const { headers, bytes } = await client.call(PATH, {
      body: request(1_000),
      headers: { 'accept-encoding': accept },
    });
    expect(headers.get('content-encoding')).toBe(encoding);
    expect(JSON.parse(decompress(bytes).toString()).outputs[0].data).toEqual(Array(1_000).fill(7));
  });

  test('a binary response is compressed as a whole; its header length counts the bytes before', async () => {
    const body = request(1_000).replace(/\}$/, ',"parameters":{"binary_data_output":true}}');
    const reply = await client.call(PATH, { body, headers: { 'accept-encoding': 'gzip' } });
    const plain = gunzipSync(reply.bytes);
    const length = Number(reply.headers.get('inference-header-content-length'));
    expect(JSON.parse(plain.subarray(0, length).toString()).outputs[0].parameters.binary_data_size).toBe(4_000);
    expect(plain.length).toBe(length + 4_000);
  });

  test('never compressed: metadata, errors, metrics, short answers', async () => {
    const headers = { 'accept-encoding': 'gzip, deflate' };
    const replies = [
      await client.call('/v2/models/identity_int32', { headers }),
      await client.call('/metrics', { headers }),
      await client.call('/v2/models/nothing', { headers }),
      await client.call(PATH, { body: request(1), headers }),
      await client.call(PATH, { body: `{"inputs":"${'x'.repeat(3_000)}"}`, headers }),
    ];
    for (const reply of replies) expect(reply.headers.has('content-encoding')).toBe(false);
  });
});
