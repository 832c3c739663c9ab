// New versions under load: nobody notices, but for the version in the answer.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { Agent, request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { CreateBucketCommand, S3Client } from '@aws-sdk/client-s3';
import { afterAll, afterEach, beforeAll, expect, inject, test } from 'vitest';
import { textContent } from '../../functions/adapters/content.ts';
import { repositoryAt } from '../../functions/cli/models/repository.ts';
import { parseRelease } from '../../functions/inference/release.ts';
import { type ServerProcess, startServer } from '../setup/edges.ts';
import { type LocalAws, startLocalAws } from '../setup/local-aws.ts';

const ROOT = join(import.meta.dirname, '../..');
const CLIENTS = 8;
const POLL_SECS = 2;
const folder = mkdtempSync(join(tmpdir(), 'serverless-onnx-swap-'));
let aws: LocalAws;
let server: ServerProcess | undefined;

beforeAll(async () => {
  aws = await startLocalAws();
  Object.assign(process.env, aws.env, { XDG_CACHE_HOME: join(folder, 'cache') });
  await new S3Client({ forcePathStyle: true }).send(new CreateBucketCommand({ Bucket: 'swap' }));
});
afterEach(() => server?.close());
afterAll(async () => {
  await aws.stop();
  rmSync(folder, { recursive: true });
});

async function models(...args: string[]): Promise<void> {
  const child = spawn(process.execPath, [join(ROOT, 'functions/cli/models.ts'), ...args], { stdio: 'ignore' });
  expect((await once(child, 'exit'))[0]).toBe(0);
}

/** What each version answers to 1: the first its input, the second its logarithm. */
const ANSWERS: { [version: string]: number } = { '1': 1, '2': 0 };

const REPOSITORIES = [
  { name: 'a folder', open: () => mkdtempSync(join(folder, 'repository-')) },
  { name: 'S3', open: () => 's3://swap/models' },
];

test.each(REPOSITORIES)(
  'published, promoted and rolled back in $name under load: no request fails',
  { timeout: 300_000 },
  async ({ open }) => {
    const repository = open();
    const file = (name: string): string => join(inject('repository'), name, '1/model.onnx');
    await models('publish', file('identity_fp32'), '--as', 'm', '-r', repository);
    server = await startServer({
      ...aws.env,
      MODEL_REPOSITORY: repository,
      REPOSITORY_POLL_SECS: `${POLL_SECS}`,
      XDG_CACHE_HOME: join(folder, 'server-cache'),
    });
    const load = underLoad(server.url);
    const until = async (version: string): Promise<void> => {
      const end = Date.now() + (POLL_SECS + 5) * 1000;
      while (load.latest !== version) {
        expect(Date.now(), `version ${version} in time, not ${load.wrong[0] ?? load.latest}`).toBeLessThan(end);
        await sleep(20);
      }
    };
    await until('1');
    await models('publish', file('log'), '--as', 'm', '-r', repository);
    await sleep(POLL_SECS * 1000);
    expect(load.latest).toBe('1');
    await models('promote', 'm', '2', '-r', repository);
    await until('2');
    await models('rollback', 'm', '-r', repository);
    await until('1');
    expect(await load.stop()).toEqual([]);
  },
);

/** Clients that ask one request after the other, and look at every answer. */
function underLoad(url: string) {
  const agent = new Agent({ keepAlive: true, maxSockets: CLIENTS });
  const body = '{"inputs":[{"name":"INPUT0","shape":[1,1],"datatype":"FP32","data":[1]}]}';
  const state = { latest: '', answers: 0, wrong: [] as string[] };
  let isOver = false;
  const ask = (): Promise<string> =>
    new Promise((resolve, reject) => {
      const call = request(`${url}/v2/models/m/infer`, { method: 'POST', agent }, async (response) => {
        let text = '';
        for await (const chunk of response) text += chunk;
        resolve(text);
      });
      call.on('error', reject);
      call.end(body);
    });
  const client = async (): Promise<void> => {
    while (!isOver) {
      const text = await ask().catch(String);
      const [, version = '', data] = /"model_version":"(\d+)".*"data":\[([^\]]*)\]/.exec(text) ?? [];
      if (Number(data) === ANSWERS[version]) state.latest = version;
      else state.wrong.push(text);
      state.answers++;
    }
  };
  const clients = Promise.all(Array.from({ length: CLIENTS }, client));
  return {
    get wrong() {
      return state.wrong;
    },
    get latest() {
      return state.latest;
    },
    /** After so many answers; how many a second depends on what else the machine does. */
    async stop() {
      await expect.poll(() => state.answers).toBeGreaterThan(2_000);
      isOver = true;
      await clients;
      agent.destroy();
      return state.wrong;
    },
  };
}

test.each(REPOSITORIES)(
  '10,000 reads of the pointer in $name while it changes: never torn, never missing',
  {
    timeout: 600_000,
  },
  async ({ open }) => {
    const repository = await repositoryAt(open());
    const model = 'pointer';
    for (const version of ['1', '2']) await repository.create(model, `${version}/model.onnx`, textContent('a model'));
    const padding = 'x'.repeat(20_000);
    const text = (live: number): string => JSON.stringify({ live: `${live}`, padding });
    await repository.replace(model, 'release.json', text(1), undefined);
    let reads = 0;
    const read = async (): Promise<void> => {
      while (reads < 10_000) {
        reads++;
        const { release } = await repository.find(model);
        expect(['1', '2']).toContain(parseRelease(release ?? '').live);
      }
    };
    const write = async (): Promise<void> => {
      for (let i = 0; reads < 10_000; i++) {
        const { tag } = (await repository.tagged(model, 'release.json')) ?? {};
        await repository.replace(model, 'release.json', text(1 + (i % 2)), tag);
      }
    };
    await Promise.all([write(), ...Array.from({ length: 16 }, read)]);
  },
);
