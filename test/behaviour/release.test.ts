import { createHash } from 'node:crypto';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, inject, test } from 'vitest';
import { parseRelease, versionsFor } from '../../functions/inference/release.ts';
import { type Client, EDGES, LOCAL_EDGES } from '../setup/edges.ts';
import { madeRepository } from '../setup/repository.ts';
import { identityInput, infer, ones } from '../setup/requests.ts';

const { folder, model, remove } = madeRepository(() => inject('repository'));
const MODEL = 'released';
const release = (content: unknown): void =>
  writeFileSync(join(folder, MODEL, 'release.json'), typeof content === 'string' ? content : JSON.stringify(content));
/** The local server looks again after 2 s. */
const SOON_MS = 30_000;

beforeAll(() =>
  model(MODEL, 'identity_fp32', 'version_policy { latest { num_versions: 2 } }', { versions: ['1', '2', '3', '4'] }),
);
afterAll(remove);

describe.each(EDGES)('release.json through $name', (edge) => {
  let client: Client;
  beforeEach(() => rmSync(join(folder, MODEL, 'release.json'), { force: true }));
  afterEach(() => client.close());
  const open = async (): Promise<void> => {
    client = await edge.open({ MODEL_REPOSITORY: folder });
  };
  const answered = async (version?: string, headers = {}): Promise<[number, string]> => {
    const path = `/v2/models/${MODEL}${version === undefined ? '' : `/versions/${version}`}/infer`;
    const { status, text } = await client.call(path, {
      headers,
      body: JSON.stringify({ inputs: identityInput('FP32', [1, 1], [1]) }),
    });
    const { model_version, error } = JSON.parse(text);
    return [status, model_version ?? error];
  };

  test('the live version answers, not the newest; those that the policy names can be asked for', async () => {
    release({ live: '1', history: [{ version: '1', action: 'promote' }] });
    await open();
    expect(await answered()).toEqual([200, '1']);
    for (const version of ['1', '3', '4']) expect(await answered(version)).toEqual([200, version]);
    expect(await answered('2')).toEqual([404, expect.stringContaining('version 2 is not found')]);
  });

  test('a canary gets its part of the requests, and a caller always the same version', async () => {
    release({ live: '1', canary: { version: '2', weight: 0.25 } });
    await open();
    // While the canary loads, the live version answers in its place.
    for (const version of ['1', '2']) expect(await answered(version)).toEqual([200, version]);
    const seen: string[] = [];
    for (let caller = 0; caller < 40; caller++) {
      const [status, version] = await answered(undefined, { 'X-Caller-Id': `caller ${caller}` });
      expect(status).toBe(200);
      seen.push(version);
      expect(await answered(undefined, { 'X-Caller-Id': `caller ${caller}` })).toEqual([200, version]);
    }
    expect(new Set(seen)).toEqual(new Set(['1', '2']));
  });

  test.each([
    ['no JSON', 'release.json is no JSON object; expected one like {"live": "3"}'],
    [{ live: 2 }, 'release.json: live is 2; expected a version, like "3"'],
    [{ live: '9' }, `'${MODEL}' has no version 9, which its release.json names as live`],
  ])('a model is not served by guessing: %j', async (content, sentence) => {
    release(content);
    await open();
    expect(await answered()).toEqual([503, expect.stringContaining(sentence)]);
  });
});

describe.each(LOCAL_EDGES)('release.json that changes, through $name', (edge) => {
  test('promoted, broken, rolled back: always the last good live version, and no request fails', async () => {
    release({ live: '1' });
    const client = await edge.open({ MODEL_REPOSITORY: folder });
    const statuses = new Set<number>();
    const seen = async (): Promise<string> => {
      const { status, text } = await infer(client, MODEL, identityInput('FP32', [1, 1], [1]));
      statuses.add(status);
      return JSON.parse(text).model_version;
    };
    const until = async (version: string): Promise<void> => {
      for (const end = Date.now() + SOON_MS; (await seen()) !== version; await sleep(50))
        expect(Date.now()).toBeLessThan(end);
    };
    await until('1');
    release({ live: '2' });
    await until('2');
    release('{"live": "1"');
    const messages = () => client.logged.map(({ msg }) => msg);
    await expect.poll(messages).toContain('the last good release.json goes on');
    expect(await seen()).toBe('2');
    release({ live: '1' });
    await until('1');
    expect([...statuses]).toEqual([200]);
    await client.close();
  });
});

describe.each(LOCAL_EDGES)('one flipped bit, through $name', (edge) => {
  test('a version that is not what was published is not loaded; the one before goes on', async () => {
    const path = (version: string): string => join(folder, 'flipped', version, 'model.onnx');
    rmSync(join(folder, 'flipped'), { recursive: true, force: true });
    model('flipped', 'identity_fp32', '', { versions: ['1', '2'] });
    const sha256 = {
      'model.onnx': createHash('sha256')
        .update(readFileSync(path('1')))
        .digest('hex'),
    };
    const publish = (live: string): void => {
      const history = ['1', '2'].map((version) => ({ version, sha256 }));
      writeFileSync(join(folder, 'flipped', 'release.json'), JSON.stringify({ live, history }));
    };
    publish('1');
    const client = await edge.open({ MODEL_REPOSITORY: folder });
    const seen = async (): Promise<[number, string]> => {
      const { status, text } = await infer(client, 'flipped', identityInput('FP32', [1, 1], [1]));
      return [status, JSON.parse(text).model_version];
    };
    expect(await seen()).toEqual([200, '1']);
    const bytes = readFileSync(path('2'));
    bytes[30] = (bytes[30] ?? 0) ^ 1;
    writeFileSync(path('2'), bytes);
    publish('2');
    const failures = () =>
      client.logged.filter(({ msg, version }) => msg === 'failed to load model' && version === '2');
    for (const end = Date.now() + SOON_MS; failures().length === 0; await sleep(50)) {
      expect(await seen()).toEqual([200, '1']);
      expect(Date.now()).toBeLessThan(end);
    }
    expect(await seen()).toEqual([200, '1']);
    expect((await client.call('/metrics')).text).toMatch(/serverless_onnx_stale_served_total{model="flipped"} [1-9]/);
    const { status, text } = await client.call('/v2/models/flipped/versions/2/infer', {
      body: JSON.stringify({ inputs: identityInput('FP32', [1, 1], [1]) }),
    });
    expect([status, text]).toEqual([503, expect.stringContaining('model.onnx has sha256')]);
    await client.close();
  });
});

describe.each(LOCAL_EDGES)('a new version through $name', (edge) => {
  test('takes over once it is loaded and warm; until then the old one answers, without a wait', {
    timeout: 240_000,
  }, async () => {
    rmSync(join(folder, 'swapped'), { recursive: true, force: true });
    model('swapped', 'slow_matmul', '');
    const client = await edge.open({ MODEL_REPOSITORY: folder });
    const version = async (): Promise<string> =>
      JSON.parse((await infer(client, 'swapped', await ones(client, 'swapped'))).text).model_version;
    const isLoading = async (): Promise<boolean> =>
      JSON.parse((await client.call('/v2/repository/index', { method: 'POST' })).text).some(
        ({ name, version: of, state }: { [field: string]: string }) =>
          name === 'swapped' && of === '2' && state === 'LOADING',
      );
    expect(await version()).toBe('1');
    const input = '{ key: "INPUT0" value: { data_type: TYPE_FP32 dims: [ 1, 512 ] random_data: true } }';
    model('swapped', 'slow_matmul', `model_warmup [ { name: "w" count: 12 inputs: ${input} } ]`, { versions: ['2'] });
    let whileLoading: string | undefined;
    for (const end = Date.now() + 4 * SOON_MS; (await version()) !== '2'; ) {
      expect(Date.now()).toBeLessThan(end);
      if (!(await isLoading())) continue;
      const seen = await version();
      // Only what was seen between two looks was seen while it loaded.
      if (await isLoading()) whileLoading = seen;
    }
    expect(whileLoading).toBe('1');
    await client.close();
  });
});

test('a canary of 10 % answers 10 % of many callers, the live version stands behind it', () => {
  const both = parseRelease('{"live": "7", "canary": {"version": "8", "weight": 0.1}}');
  const chosen = Array.from({ length: 20_000 }, (_, caller) => versionsFor(both, `caller-${caller}`));
  const canaries = chosen.filter(([first]) => first === '8');
  // Five standard deviations.
  expect(Math.abs(canaries.length - 2_000)).toBeLessThan(212);
  for (const versions of canaries) expect(versions).toEqual(['8', '7']);
  const byChance = Array.from({ length: 20_000 }, () => versionsFor(both, undefined)[0]);
  expect(Math.abs(byChance.filter((version) => version === '8').length - 2_000)).toBeLessThan(250);
});

test.each([
  ['[]', 'release.json is no JSON object'],
  ['{}', 'live is missing; expected a version'],
  ['{"live": "03"}', 'live is "03"; expected a version'],
  ['{"live": "1", "canary": {}}', 'canary.version is missing; expected a version other than the live one, "1"'],
  ['{"live": "1", "canary": {"version": "1", "weight": 0.1}}', 'canary.version is "1"; expected a version other'],
  [
    '{"live": "1", "canary": {"version": "2", "weight": 1}}',
    'canary.weight is 1; expected a number above 0 and below 1',
  ],
  ['{"live": "1", "canary": {"version": "2", "weight": "0.1"}}', 'canary.weight is "0.1"; expected a number'],
])('%s', (text, sentence) => {
  expect(() => parseRelease(text)).toThrow(sentence);
});
