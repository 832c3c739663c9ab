import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { type ServerProcess, startServer } from '../setup/edges.ts';

const LOCAL = join(import.meta.dirname, '../../functions/serve/local.ts');
const INFER = '/v2/models/add_sub/infer';
const input = (name: string) => ({ name, datatype: 'INT32', shape: [1, 16], data: Array(16).fill(1) });
const body = JSON.stringify({ inputs: [input('INPUT0'), input('INPUT1')] });
const call = (server: ServerProcess) => server.call(INFER, { headers: { connection: 'close' }, body });
const serving = (server: ServerProcess) => server.logged.filter(({ msg }) => msg === 'serving');

async function until(isTrue: () => boolean): Promise<void> {
  while (!isTrue()) await sleep(20);
}

describe('several processes', () => {
  let server: ServerProcess;

  beforeAll(async () => {
    server = await startServer({
      MODEL_REPOSITORY: inject('repository'),
      PRELOAD_MODELS: 'add_sub',
      SERVER_PROCESSES: '2',
    });
    await until(() => serving(server).length === 2);
  });
  afterAll(() => server.close());

  test('answer at one port, and count as one', async () => {
    const before = await counted(server);
    for (let i = 0; i < 10; i++) expect((await call(server)).status).toBe(200);
    // Connections go round: whichever of them is asked has had half of the requests itself.
    expect(await counted(server)).toEqual({ stats: before.stats + 10, metrics: before.metrics + 10 });
    expect(await counted(server)).toEqual({ stats: before.stats + 10, metrics: before.metrics + 10 });
    const one = JSON.parse((await server.call('/v2/models/add_sub/versions/1/stats')).text).model_stats;
    expect(one).toHaveLength(1);
    expect(one[0].inference_stats.success.count).toBe(before.stats + 10);
  });

  test('one that is killed is replaced; meanwhile the other answers', async () => {
    const [first] = serving(server);
    process.kill(first?.pid as number, 'SIGKILL');
    await until(() => server.logged.some(({ msg }) => msg === 'a process of the server ended; another one starts'));
    for (let i = 0; i < 4; i++) expect((await call(server)).status).toBe(200);
    await until(() => serving(server).length === 3);
    for (let i = 0; i < 4; i++) expect((await call(server)).status).toBe(200);
  });

  test('end together, with code 0', async () => {
    server.process.kill('SIGTERM');
    expect((await once(server.process, 'exit'))[0]).toBe(0);
    expect(server.logged.filter(({ msg }) => msg === 'ended')).toHaveLength(2);
  });
});

test.each([200, 400, 600, 800])('told to end %d ms after their start, they all end', async (ms) => {
  const env = { ...process.env, MODEL_REPOSITORY: inject('repository'), PORT: '0', SERVER_PROCESSES: '2' };
  const server = spawn(process.execPath, [LOCAL], { env, stdio: ['ignore', 'pipe', 'ignore'] });
  server.stdout.resume();
  await sleep(ms);
  server.kill('SIGTERM');
  // All of them hold its other end.
  await once(server.stdout, 'close');
});

async function counted(server: ServerProcess): Promise<{ stats: number; metrics: number }> {
  const { model_stats } = JSON.parse((await server.call('/v2/models/add_sub/stats')).text);
  const { text } = await server.call('/metrics');
  const [, success = '0'] = /^nv_inference_request_success\{model="add_sub",version="1"\} (\d+)$/m.exec(text) ?? [];
  return { stats: model_stats[0].inference_stats.success.count, metrics: Number(success) };
}
