// A canary that is worse than the live version is ended by the server that sees it.

import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, inject, test } from 'vitest';
import { parseRelease } from '../../functions/inference/release.ts';
import { type Client, EDGES, type Edge, LOCAL_EDGES } from '../setup/edges.ts';
import { madeRepository } from '../setup/repository.ts';
import { identityInput, infer } from '../setup/requests.ts';

const { folder, model, remove } = madeRepository(() => inject('repository'));
afterAll(remove);

/** `live` as version 1, `canary` as version 2 that gets half of the requests. */
function onTrial(name: string, live: string, canary: string): void {
  rmSync(join(folder, name), { recursive: true, force: true });
  model(name, live, '');
  mkdirSync(join(folder, name, '2'));
  cpSync(join(inject('repository'), canary, '1/model.onnx'), join(folder, name, '2/model.onnx'));
  writeFileSync(join(folder, name, 'release.json'), '{"live": "1", "canary": {"version": "2", "weight": 0.5}}');
}
/** Through an edge, once both are loaded: while the canary loads, the live version answers in its place. */
async function openOnTrial(edge: Edge, name: string): Promise<Client> {
  const client = await edge.open({ MODEL_REPOSITORY: folder });
  for (const version of ['1', '2']) {
    expect((await client.call(`/v2/models/${name}/versions/${version}/ready`)).status).toBe(200);
  }
  return client;
}
const release = (name: string) => parseRelease(readFileSync(join(folder, name, 'release.json'), 'utf8'));

describe.each(EDGES)('through $name', (edge) => {
  test('one that fails gets no more requests', async () => {
    onTrial('fails', 'identity_fp32', 'failing');
    const client = await openOnTrial(edge, 'fails');
    const statuses: number[] = [];
    for (let i = 0; i < 80; i++)
      statuses.push((await infer(client, 'fails', identityInput('FP32', [1, 1], [1]))).status);
    expect(statuses.filter((status) => status !== 200)).toHaveLength(5);
    await expect.poll(() => client.logged.map(({ msg }) => msg)).toContain('ended the canary');
    await client.close();
  });
});

describe.each(EDGES)('through $name', (edge) => {
  test('one that takes more than twice as long gets no more requests', async () => {
    onTrial('slow', 'identity_fp32', 'slow_matmul');
    const client = await openOnTrial(edge, 'slow');
    const ended = () => client.logged.filter(({ msg }) => msg === 'ended the canary');
    let canaries = 0;
    for (let i = 0; i < 400 && ended().length === 0; i++) {
      const { status, text } = await infer(client, 'slow', identityInput('FP32', [1, 512], Array(512).fill(1)));
      expect(status).toBe(200);
      if (JSON.parse(text).model_version === '2') canaries++;
    }
    await expect.poll(ended).toMatchObject([{ reason: expect.stringMatching(/^version 2 takes .* ms; the live/) }]);
    expect(canaries).toBeGreaterThanOrEqual(50);
    if (LOCAL_EDGES.includes(edge)) await expect.poll(() => release('slow').canary).toBeUndefined();
    else expect(release('slow').canary).toEqual({ version: '2', weight: 0.5 });
    await client.close();
  });
});

describe.each(LOCAL_EDGES)('through $name, which may write', (edge) => {
  test('one whose numbers are not finite is ended in release.json too, with the reason', async () => {
    onTrial('log-trial', 'identity_fp32', 'log');
    const client = await openOnTrial(edge, 'log-trial');
    const versions: string[] = [];
    for (let i = 0; i < 80; i++) {
      const { text } = await infer(client, 'log-trial', identityInput('FP32', [1, 1], [-1]));
      // NaN, which an answer may hold, is no JSON for JavaScript.
      versions.push(/"model_version":"(\d+)"/.exec(text)?.[1] ?? text);
    }
    expect(versions.filter((version) => version === '2')).toHaveLength(5);
    await expect.poll(() => release('log-trial').canary).toBeUndefined();
    expect(release('log-trial')).toMatchObject({
      live: '1',
      history: [{ action: 'rollback', by: 'serverless-onnx', reason: expect.stringContaining('not finite in 100 %') }],
    });
    await client.close();
  });

  test('one that is as good goes on, and bad requests are nobody’s fault', async () => {
    onTrial('good', 'identity_fp32', 'identity_fp32');
    const client = await openOnTrial(edge, 'good');
    const versions = new Set<string>();
    for (let i = 0; i < 60; i++) {
      const { status } = await infer(client, 'good', identityInput('FP32', [1], [1]));
      expect(status).toBe(400);
      versions.add(JSON.parse((await infer(client, 'good', identityInput('FP32', [1, 1], [1]))).text).model_version);
    }
    expect(versions).toEqual(new Set(['1', '2']));
    expect(release('good').canary).toEqual({ version: '2', weight: 0.5 });
    await client.close();
  });
});
