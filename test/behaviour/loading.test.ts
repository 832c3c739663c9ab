// How often models are loaded: once, however many ask for them; again only after a pause where that failed; and not for
// others while they are in use.

import { afterAll, afterEach, beforeAll, describe, expect, inject, test } from 'vitest';
import { type Client, LOCAL_EDGES } from '../setup/edges.ts';
import { madeRepository } from '../setup/repository.ts';
import { identityInput, infer, ones } from '../setup/requests.ts';

const MODELS = 200;
const VERSIONS = ['1', '2'];
const CALLERS = 3;
const { folder, model, remove } = madeRepository(() => inject('repository'));
const input = identityInput('FP32', [1, 1], [1]);
let client: Client;

beforeAll(() => {
  for (let i = 0; i < MODELS; i++)
    model(`m${i}`, 'identity_fp32', 'version_policy { all { } }', { versions: VERSIONS });
  model('broken', 'corrupt', '');
  model('endless', 'endless_loop', '');
});
afterAll(remove);
afterEach(() => client.close());

const logged = (message: string) => client.logged.filter(({ msg }) => msg === message);

// Over HTTP it would be a test of connections.
describe.each(LOCAL_EDGES.slice(0, 1))('through $name', (edge) => {
  test(`${MODELS} models with ${VERSIONS.length} versions, each asked for the first time by ${CALLERS} at once`, {
    timeout: 300_000,
  }, async () => {
    client = await edge.open({ MODEL_REPOSITORY: folder, PRELOAD_MODELS: 'm0', REQUEST_TIMEOUT_MS: '240000' });
    const paths = Array.from({ length: MODELS }, (_, i) =>
      VERSIONS.map((version) => `m${i}/versions/${version}`),
    ).flat();
    const call = async (path: string): Promise<number> => (await infer(client, path, input)).status;
    const statuses = await Promise.all(Array.from({ length: CALLERS }, () => paths.map(call)).flat());
    expect(new Set(statuses)).toEqual(new Set([200]));
    expect(await Promise.all(paths.map(call))).toEqual(paths.map(() => 200));
    const loads = logged('loaded model').map(({ model, version }) => `${model}/versions/${version}`);
    expect(loads.sort()).toEqual(paths.sort());
  });
});

describe.each(LOCAL_EDGES)('through $name', (edge) => {
  test('a load that fails is tried again after a pause that grows, however many ask', async () => {
    client = await edge.open({ MODEL_REPOSITORY: folder, PRELOAD_MODELS: 'm0' });
    const started = performance.now();
    const failures = (): number => logged('failed to load model').length;
    let asked = 0;
    while (failures() < 3) {
      const answers = await Promise.all(Array.from({ length: 10 }, () => infer(client, 'broken', input)));
      asked += answers.length;
      for (const { status, text, headers } of answers) {
        expect([status, text]).toEqual([503, expect.stringContaining('the model file is no ONNX model')]);
        expect(headers.get('retry-after')).toMatch(/^[124]$/);
      }
    }
    // After the first failure a second, after the second one two.
    expect(performance.now() - started).toBeGreaterThanOrEqual(3_000);
    expect(asked).toBeGreaterThan(failures());
  });

  test('a model in use does not go; the next one is told to come again, and is served once there is room', async () => {
    client = await edge.open({
      MODEL_REPOSITORY: folder,
      PRELOAD_MODELS: 'nothing',
      // Room for one, whatever its size.
      MODEL_MEMORY_BYTES: `${2 ** 20}`,
      REQUEST_TIMEOUT_MS: '20000',
    });
    const endless = await ones(client, 'endless');
    let hasEnded = false;
    const hanging = infer(client, 'endless', endless).finally(() => {
      hasEnded = true;
    });
    await expect.poll(() => logged('loaded model')).toHaveLength(1);
    const { status, text, headers } = await infer(client, 'm1', input);
    expect(hasEnded).toBe(false);
    expect([status, text]).toEqual([503, expect.stringContaining("there is no memory left for 'm1'")]);
    expect(headers.get('retry-after')).toBe('1');
    expect(logged('unloaded model to make room')).toEqual([]);
    expect((await hanging).status).toBe(504);
    expect((await infer(client, 'm1', input)).status).toBe(200);
    expect(logged('unloaded model to make room')).toMatchObject([{ model: 'endless' }]);
  });
});
