import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { type Client, EDGES, LOCAL_EDGES } from '../setup/edges.ts';
import { identityInput, infer } from '../setup/requests.ts';

/** All that a browser loads, compressed. */
const MAX_BYTES = 150 * 1024;
const FILES = ['/', '/playground/main.js', '/playground/style.css', '/playground/icon.svg'];

describe.each(LOCAL_EDGES)('the playground, through $name', (edge) => {
  let client: Client;
  beforeAll(async () => {
    client = await edge.open({ MODEL_REPOSITORY: inject('repository'), PRELOAD_MODELS: 'add_sub' });
  });
  afterAll(() => client.close());

  test('is small, complete, and from here alone; nothing in it runs in place, nobody frames it', async () => {
    let bytes = 0;
    for (const path of FILES) {
      const reply = await client.call(path);
      expect([path, reply.status]).toEqual([path, 200]);
      const policy = reply.headers.get('content-security-policy') ?? '';
      expect(policy).toMatch(/^default-src 'none'; /);
      expect(policy).toContain("frame-ancestors 'none'");
      expect(policy).not.toMatch(/unsafe|\*|http/);
      expect(reply.headers.get('x-content-type-options')).toBe('nosniff');
      const hosts = Array.from(reply.text.matchAll(/https?:\/\/([a-z0-9.-]+)/g), ([, host]) => host);
      expect(hosts.filter((host) => host !== 'www.w3.org')).toEqual([]);
      bytes += gzipSync(reply.bytes).length;
    }
    expect(bytes).toBeLessThanOrEqual(MAX_BYTES);
    const { text } = await client.call('/');
    const links = Array.from(text.matchAll(/(?:src|href)="([^"]+)"/g), ([, link]) => `/${link}`);
    expect(links.sort()).toEqual(FILES.slice(1).sort());
    expect(text).not.toMatch(/<script(?![^>]*src=)|<style| style=| on\w+=/);
  });

  test('holds nothing else of the folder, and is only read', async () => {
    for (const path of ['/playground/main.ts', '/playground/../package.json', '/playground/', '/index.html'])
      expect([path, (await client.call(path)).status]).toEqual([path, 404]);
    expect((await client.call('/', { body: '{}' })).status).toBe(405);
  });

  test('is another page to nobody: the name of the host is looked at', async () => {
    expect((await client.call('/', { headers: { host: 'evil.example' } })).status).toBe(403);
  });
});

test.each(LOCAL_EDGES)(
  'with API_TOKEN the page opens without it, through $name, and nothing else does',
  async (edge) => {
    const client = await edge.open({
      MODEL_REPOSITORY: inject('repository'),
      PRELOAD_MODELS: 'add_sub',
      API_TOKEN: 'a-token-of-enough-length',
    });
    const statuses: { [path: string]: number } = {};
    for (const path of [...FILES, '/docs', '/v2', '/v2/models', '/metrics', '/openapi.json', '/playground/x'])
      statuses[path] = (await client.call(path)).status;
    await client.close();
    expect(
      Object.entries(statuses)
        .filter(([, status]) => status === 200)
        .map(([path]) => path),
    ).toEqual(FILES);
    expect(new Set(Object.values(statuses))).toEqual(new Set([200, 401]));
  },
);

describe.each(EDGES)('what the page needs of the server, through $name', (edge) => {
  let client: Client;
  beforeAll(async () => {
    client = await edge.open({ MODEL_REPOSITORY: inject('repository') });
  });
  afterAll(() => client.close());

  test('an answer says what its time was spent on', async () => {
    const { headers } = await infer(client, 'identity_fp32', identityInput('FP32', [1, 1], [1]));
    const [queue = -1, compute = -1, total = -1] = (headers.get('server-timing') ?? '')
      .split(', ')
      .map((part, i) =>
        Number(new RegExp(`^${['queue', 'compute', 'total'][i]};dur=(\\d+\\.\\d{3})$`).exec(part)?.[1]),
      );
    expect(Math.min(queue, compute)).toBeGreaterThanOrEqual(0);
    expect(total).toBeGreaterThan(0);
    expect(total).toBeGreaterThanOrEqual(queue + compute - 0.01);
  });

  test("the statistics say how large a model's files are", async () => {
    await infer(client, 'wide', [{ name: 'INPUT0', datatype: 'FP32', shape: [1, 700], data: Array(700).fill(1) }]);
    const { model_stats } = JSON.parse((await client.call('/v2/models/wide/stats')).text);
    const [{ type, byte_size }] = model_stats[0].memory_usage;
    expect(type).toBe('CPU');
    expect(byte_size).toBeGreaterThan(700 * 700 * 4);
  });
});

test('on Lambda there is no page', async () => {
  const [, , lambda] = EDGES;
  const client = await (lambda as (typeof EDGES)[number]).open({ MODEL_REPOSITORY: inject('repository') });
  for (const path of FILES) expect((await client.call(path)).status).toBe(404);
  await client.close();
});
