import fc from 'fast-check';
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { type Client, EDGES } from '../setup/edges.ts';
import { framedRequest } from './framing.ts';

/** `npm run bench` asks for more. */
const RUNS = Number(process.env.FUZZ_RUNS ?? 2_000);

let client: Client;
beforeAll(async () => {
  const [inProcess] = EDGES;
  if (inProcess === undefined) throw new Error('no edge');
  client = await inProcess.open({ MODEL_REPOSITORY: inject('repository') });
});
afterAll(() => client.close());

test(`${RUNS} made-up binary requests: answered or refused, never a 5xx, never slowly`, {
  timeout: 3_600_000,
}, async () => {
  const statuses = new Map<number, number>();
  const before = process.memoryUsage().rss;
  await fc.assert(
    fc.asyncProperty(framedRequest, async ({ model, headerLength, body }) => {
      const before = process.cpuUsage();
      const { status, text } = await client.call(`/v2/models/${model}/infer`, {
        body,
        headers: { 'inference-header-content-length': headerLength },
      });
      statuses.set(status, (statuses.get(status) ?? 0) + 1);
      expect([200, 400, 413], text).toContain(status);
      if (status !== 200) expect(JSON.parse(text)).toEqual({ error: expect.stringMatching(/^[^\n]{1,600}$/) });
      // Of this process's own work, in microseconds: a model's first request waits for a process to start.
      const { user, system } = process.cpuUsage(before);
      expect(user + system).toBeLessThan(1_000_000);
    }),
    { numRuns: RUNS, endOnFailure: true },
  );
  expect(statuses.get(400)).toBeGreaterThan(RUNS / 10);
  expect(statuses.get(200) ?? 0, 'some are well-formed').toBeGreaterThan(0);
  expect(process.memoryUsage().rss - before).toBeLessThan(512 * 1024 * 1024);
});
