import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { type Client, LOCAL_EDGES, type Reply } from '../setup/edges.ts';
import { identityInput, infer } from '../setup/requests.ts';

describe.each(LOCAL_EDGES)('MODEL_CONTROL=explicit through $name', (edge) => {
  let client: Client;
  beforeAll(async () => {
    client = await edge.open({ MODEL_REPOSITORY: inject('repository'), MODEL_CONTROL: 'explicit' });
  });
  afterAll(() => client.close());

  const control = (verb: 'load' | 'unload', model: string, parameters?: object): Promise<Reply> =>
    client.call(`/v2/repository/models/${model}/${verb}`, {
      method: 'POST',
      ...(parameters ? { body: JSON.stringify({ parameters }) } : {}),
    });
  const status = async (model: string): Promise<number> => (await client.call(`/v2/models/${model}/ready`)).status;
  const config = async (model: string) => JSON.parse((await client.call(`/v2/models/${model}/config`)).text);
  const rows = (count: number) => identityInput('FP32', [count, 1], Array(count).fill(1));

  test('nothing is served before it is asked for, and the server is ready all the same', async () => {
    expect((await client.call('/v2/health/ready')).status).toBe(200);
    expect(await status('add_sub')).toBe(404);
    const index = JSON.parse((await client.call('/v2/repository/index', { method: 'POST' })).text);
    expect(index).toContainEqual({ name: 'add_sub' });
  });

  test('load, infer, unload', async () => {
    const loaded = await control('load', 'identity_fp32');
    expect([loaded.status, loaded.text]).toEqual([200, '']);
    expect((await infer(client, 'identity_fp32', rows(1))).status).toBe(200);
    const unloaded = await control('unload', 'identity_fp32', { unload_dependents: false });
    expect([unloaded.status, unloaded.text]).toEqual([200, '']);
    expect(await status('identity_fp32')).toBe(404);
  });

  test('a configuration of the request goes before the file, numbers as text included', async () => {
    await control('load', 'identity_fp32', { config: '{"max_batch_size":"16"}' });
    expect((await config('identity_fp32')).max_batch_size).toBe(16);
    expect((await infer(client, 'identity_fp32', rows(16))).status).toBe(200);
    await control('load', 'identity_fp32');
    expect((await config('identity_fp32')).max_batch_size).toBe(4);
  });

  test('files of the request take the place of the repository', async () => {
    const file = readFileSync(join(inject('repository'), 'add_sub/1/model.onnx')).toString('base64');
    expect((await control('load', 'made_up', { config: '{}', 'file:7/model.onnx': file })).status).toBe(200);
    expect(JSON.parse((await client.call('/v2/models/made_up')).text)).toMatchObject({
      versions: ['7'],
      inputs: [{ name: 'INPUT0' }, { name: 'INPUT1' }],
    });
    await control('unload', 'made_up');
  });

  test('a load that fails leaves what was loaded', async () => {
    await control('load', 'identity_fp32');
    for (const [parameters, code, sentence] of [
      [{ config: '{"backend":"python"}' }, 503, /failed to load: .*backend 'python'/],
      [{ config: '{"nonsense":1}' }, 400, /unknown field/],
      [{ config: 'x' }, 400, /parameter 'config'/],
      [{ 'file:1/model.onnx': 'AAAA' }, 400, /files but no 'config'/],
      [{ config: '{}', 'file:1/model.onnx': 'AAAA' }, 503, /failed to load/],
      [{ config: '{}', 'file:../../x': 'AAAA' }, 400, /parameter 'file:..\/..\/x' is unknown/],
      [{ other: 'x' }, 400, /parameter 'other' is unknown/],
      [{ config: 3 }, 400, /parameter 'config' to be a string/],
    ] as [object, number, RegExp][]) {
      const reply = await control('load', 'identity_fp32', parameters);
      expect([reply.status, JSON.parse(reply.text).error]).toEqual([code, expect.stringMatching(sentence)]);
      expect((await infer(client, 'identity_fp32', rows(1))).status).toBe(200);
    }
  });

  test.each([
    ['nothing', 404],
    ['corrupt', 503],
    ['..%2fdigits', 404],
  ])('loading %s: %i', async (model, code) => {
    const reply = await control('load', model);
    expect([reply.status, JSON.parse(reply.text).error]).toEqual([
      code,
      expect.stringMatching(/^Request for unknown model/),
    ]);
  });
});
