import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { type Client, LOCAL_EDGES } from '../setup/edges.ts';
import { identityInput, infer } from '../setup/requests.ts';

describe.each(LOCAL_EDGES)('what only the local server has, through $name', (edge) => {
  let client: Client;

  beforeAll(async () => {
    client = await edge.open({ MODEL_REPOSITORY: inject('repository') });
  });
  afterAll(() => client.close());

  test('load and unload are refused, as the server serves every model by itself', async () => {
    for (const verb of ['load', 'unload']) {
      const { status, text } = await client.call(`/v2/repository/models/add_sub/${verb}`, { method: 'POST' });
      expect([status, JSON.parse(text).error]).toEqual([
        503,
        expect.stringMatching(/^explicit model load \/ unload is not allowed/),
      ]);
    }
  });

  test('the OpenAPI document is rendered by a page that needs no other host', async () => {
    const page = await client.call('/docs');
    expect([page.status, page.headers.get('content-type')]).toEqual([200, 'text/html; charset=utf-8']);
    expect(page.headers.get('content-security-policy')).toMatch(/^default-src 'self';/);
    const links = Array.from(page.text.matchAll(/(?:src|href)="([^"]+)"/g), ([, link]) => link as string);
    expect(links).toHaveLength(3);
    for (const link of links) {
      const { status, bytes } = await client.call(new URL(link, 'http://127.0.0.1/docs').pathname);
      expect([link, status]).toEqual([link, 200]);
      expect(bytes.length).toBeGreaterThan(50);
    }
    expect((await client.call('/docs/package.json')).status).toBe(404);
  });

  test("metrics carry Triton's names", async () => {
    const read = async (): Promise<{ [series: string]: number }> => {
      const { text, headers } = await client.call('/metrics');
      expect(headers.get('content-type')).toContain('text/plain');
      const series = text.split('\n').filter((line) => line.includes('model="identity_int16",version="1"'));
      return Object.fromEntries(series.map((line) => [line.replace(/\{.*/, ''), Number(line.split(' ').at(-1))]));
    };
    const before = await read();
    await infer(client, 'identity_int16', identityInput('INT16', [3, 1], [1, 2, 3]));
    await infer(client, 'identity_int16', identityInput('INT32', [1, 1], [1]));
    const after = await read();
    const grown = (name: string): number => (after[name] ?? Number.NaN) - (before[name] ?? 0);
    expect(grown('nv_inference_request_success')).toBe(1);
    expect(grown('nv_inference_request_failure')).toBe(1);
    expect(grown('nv_inference_count')).toBe(3);
    expect(grown('nv_inference_exec_count')).toBe(1);
    expect(after.nv_inference_pending_request_count).toBe(0);
    for (const part of ['request', 'compute_infer'])
      expect(grown(`nv_inference_${part}_duration_us`)).toBeGreaterThan(0);
    for (const part of ['queue', 'compute_input', 'compute_output']) {
      expect(grown(`nv_inference_${part}_duration_us`)).toBeGreaterThanOrEqual(0);
    }
  });
});
