// Models that keep their data where they must not: refused when they are published, and when they are loaded.

import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CreateBucketCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { ensureVenv } from '../../functions/cli/venv.ts';
import { EDGES, startServer } from '../setup/edges.ts';
import { startLocalAws } from '../setup/local-aws.ts';
import { identityInput, infer } from '../setup/requests.ts';

const ROOT = join(import.meta.dirname, '../..');
const folder = mkdtempSync(join(tmpdir(), 'serverless-onnx-hostile-'));
const HOSTILE = [
  'parent',
  'absolute',
  'symlink',
  'folder_link',
  'hard_link',
  'missing',
  'url',
  'offset',
  'length',
  'past_the_end',
];
const input = identityInput('FP32', [64], Array(64).fill(1));

beforeAll(async () => {
  execFileSync(await ensureVenv(), [join(ROOT, 'test/models/make_hostile.py'), folder]);
});
afterAll(() => rmSync(folder, { recursive: true }));

describe.each(EDGES)('through $name', (edge) => {
  test('the plain one computes, the others are never loaded, and no answer holds a path', async () => {
    const client = await edge.open({ MODEL_REPOSITORY: folder });
    const answer = JSON.parse((await infer(client, 'plain', input)).text);
    expect(answer.outputs[0].data).toEqual(Array.from({ length: 64 }, (_, i) => i + 1));
    for (const name of HOSTILE) {
      const { status, text } = await infer(client, name, input);
      expect([status, text], name).toEqual([503, expect.stringContaining('failed to load')]);
      expect(text).not.toContain(folder);
    }
    await client.close();
  });
});

test('from S3, where names are any text', async () => {
  const aws = await startLocalAws();
  for (const [name, value] of Object.entries(aws.env)) vi.stubEnv(name, value);
  const s3 = new S3Client({ forcePathStyle: true });
  await s3.send(new CreateBucketCommand({ Bucket: 'hostile' }));
  const names = ['plain', ...HOSTILE];
  for (const name of names) {
    for (const file of ['model.onnx', 'weights.bin']) {
      const Body = readFileSync(join(folder, name, '1', file));
      await s3.send(new PutObjectCommand({ Bucket: 'hostile', Key: `${name}/1/${file}`, Body }));
    }
  }
  const cache = join(folder, 'cache');
  const client = await startServer({ ...aws.env, MODEL_REPOSITORY: 's3://hostile', XDG_CACHE_HOME: cache });
  const statuses = await Promise.all(names.map(async (name) => (await infer(client, name, input)).status));
  expect(statuses).toEqual([200, ...HOSTILE.map(() => 503)]);
  await client.close();
  await aws.stop();
  vi.unstubAllEnvs();
});

test('published, they are refused with a sentence, and nothing is written', () => {
  const repository = join(folder, 'repository');
  mkdirSync(repository);
  const publish = (name: string) => {
    const args = [
      'functions/cli/models.ts',
      'publish',
      join(folder, name, '1/model.onnx'),
      '--as',
      name,
      '-r',
      repository,
    ];
    return spawnSync(process.execPath, args, { cwd: ROOT, encoding: 'utf8' });
  };
  const SENTENCES: { [name: string]: string } = {
    parent: 'outside of its folder',
    absolute: 'outside of its folder',
    symlink: 'which is a link',
    folder_link: 'which is a link',
    hard_link: 'which is a link',
    missing: 'which is missing',
    url: 'outside of its folder',
    offset: 'that file has 256',
    length: 'that file has 256',
    past_the_end: 'that file has 256',
  };
  for (const name of HOSTILE) {
    const { status, stderr } = publish(name);
    expect([status, stderr], name).toEqual([1, expect.stringContaining(SENTENCES[name] ?? '')]);
  }
  expect(readdirSync(repository)).toEqual([]);
  expect(publish('plain').status).toBe(0);
  expect(readdirSync(join(repository, 'plain/1')).sort()).toEqual(['golden.json', 'model.onnx', 'weights.bin']);
});
