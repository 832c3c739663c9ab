// `npm run models -- quantize`, as processes, with ONNX Runtime's own tools.

import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { CreateBucketCommand, S3Client } from '@aws-sdk/client-s3';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { isStaticGraph } from '../../functions/adapters/onnx-graph.ts';
import { splitOf } from '../../functions/cli/int8/calibration.ts';
import { withLoader } from '../../functions/cli/models/engine.ts';
import { picturesAt } from '../../functions/cli/models/pictures.ts';
import { repositoryAt } from '../../functions/cli/models/repository.ts';
import { ensureVenv } from '../../functions/cli/venv.ts';
import { checkGolden, parseGolden } from '../../functions/inference/golden.ts';
import { parseRelease } from '../../functions/inference/release.ts';
import { type LocalAws, startLocalAws } from '../setup/local-aws.ts';

const ROOT = join(import.meta.dirname, '../..');
const HELD_OUT = join(ROOT, 'model-artifacts/digits/evaluation.tar');
const folder = mkdtempSync(join(tmpdir(), 'serverless-onnx-quantize-'));
const repository = join(folder, 'models');
const run = promisify(execFile);
const made = (name: string): string => join(inject('repository'), name, '1', 'model.onnx');
const python = async (...args: string[]): Promise<string> =>
  (await run(await ensureVenv(), args, { cwd: ROOT })).stdout;

type Ended = { code: number; stdout: string; stderr: string };

async function models(...args: string[]): Promise<Ended> {
  try {
    return {
      code: 0,
      ...(await run(process.execPath, [join(ROOT, 'functions/cli/models.ts'), ...args], { cwd: ROOT })),
    };
  } catch (error) {
    return error as Ended;
  }
}

/** A model of the repository with the digits' configuration and held-out set. */
function model(name: string, file: string): void {
  mkdirSync(join(repository, name, '1'), { recursive: true });
  cpSync(file, join(repository, name, '1/model.onnx'));
  if (file === made('add_sub')) return;
  for (const beside of ['labels.txt', 'evaluation.tar']) {
    cpSync(join(ROOT, 'model-artifacts/digits', beside), join(repository, name, beside));
  }
  const config = readFileSync(join(ROOT, 'model-artifacts/digits/config.pbtxt'), 'utf8');
  writeFileSync(join(repository, name, 'config.pbtxt'), config.replace('"digits"', `"${name}"`));
  // A machine that does other things is slow now and then.
  const gates = { minAccuracy: 0.97, margin: 0.02, minClassRecall: 0.85, maxLatencyRatio: 100 };
  writeFileSync(join(repository, name, 'training.json'), JSON.stringify({ gates }));
}

const DIGITS = join(ROOT, 'model-artifacts/digits/1/model.onnx');

beforeAll(() => {
  mkdirSync(repository);
  for (const name of ['digits', 'both', 'kept']) model(name, DIGITS);
  model('add_sub', made('add_sub'));
});
afterAll(() => rmSync(folder, { recursive: true }));

test('a static int8 version is judged by pictures that have not calibrated it, and published beside the float one', async () => {
  const { code, stdout } = await models('quantize', 'digits', '--static', '-r', repository, '--by', 'ada');
  expect(code).toBe(0);
  expect(stdout).toMatch(/float, version 1 .*int8, static .*287 held-out pictures.*int8 weights in 2 Conv, 3 Gemm/s);
  expect(stdout).toContain('version 2 is published and not live; npm run models -- promote digits 2 makes it live');
  const release = parseRelease(readFileSync(join(repository, 'digits/release.json'), 'utf8'));
  expect(release.live).toBe('1');
  const [, published] = release.history ?? [];
  expect(published).toMatchObject({
    action: 'publish',
    version: '2',
    by: 'ada',
    lineage: { quantised_from: '1', method: 'static', operators: { Conv: 2, Gemm: 3 }, calibration: { pictures: 72 } },
  });
  const file = join(repository, 'digits/2/model.onnx');
  const expected = JSON.parse(await python('test/cli/int8_held_out.py', file, '5'));
  const told = (published?.metrics ?? {}) as { readonly [name: string]: number };
  const { correct, samples, bytes, float_bytes } = told;
  expect({ correct, samples }).toEqual(expected);
  expect(expected.samples).toBe(287);
  expect((bytes ?? 0) / (float_bytes ?? 0)).toBeLessThan(0.4);
  const metrics = JSON.parse(readFileSync(join(repository, 'digits/2/metrics.json'), 'utf8'));
  expect(metrics.gates.map(({ name }: { name: string }) => name)).not.toContain('parity');
  // It serves: the same inputs and outputs, in the fast lane too, with an answer of its own to the golden request.
  expect(await isStaticGraph(file)).toBe(true);
  const golden = parseGolden(readFileSync(join(repository, 'digits/2/golden.json'), 'utf8'));
  await withLoader(async (loader) => {
    const store = await repositoryAt(repository);
    const { config } = await store.find('digits');
    await checkGolden(await loader.load(store, { model: 'digits', version: '2' }, config), golden);
  });
  const again = await models('quantize', 'digits', '2', '--dynamic', '-r', repository);
  expect([again.code, again.stderr]).toEqual([1, expect.stringContaining('it is quantised already: it has')]);
  expect(readdirSync(join(repository, 'digits')).filter((name) => /^\d+$/.test(name))).toEqual(['1', '2']);
});

test('without a method both are compared with the float version, and nothing is published', async () => {
  const { code, stdout } = await models('quantize', 'both', '-r', repository, '--json');
  const { int8, ...rest } = JSON.parse(stdout);
  expect([code, rest]).toEqual([0, { model: 'both', version: '1', bytes: 251_429, samples: 287 }]);
  expect(int8).toMatchObject([
    { method: 'dynamic', outcome: 'promote', operators: { quantised: { Gemm: 3 }, left: { Conv: 2 } } },
    { method: 'static', outcome: 'promote', operators: { quantised: { Conv: 2, Gemm: 3 }, left: {} } },
  ]);
  expect(readdirSync(join(repository, 'both'))).not.toContain('release.json');
});

test('a model that int8 spoils is refused by the gates of retraining', async () => {
  const file = join(folder, 'outlier.onnx');
  await python('test/cli/outlier.py', file);
  expect(JSON.parse(await python('test/cli/int8_held_out.py', file, '0'))).toEqual({ correct: 358, samples: 359 });
  model('outlier', file);
  const { code, stdout, stderr } = await models('quantize', 'outlier', '--dynamic', '-r', repository);
  expect(code).toBe(1);
  expect(stderr).toMatch(/nothing is published: its accuracy on the held-out set is 0\.\d+ .*expected at least 0.97/);
  expect(stdout).toMatch(/int8, dynamic .* accuracy-floor/);
  expect(readdirSync(join(repository, 'outlier'))).not.toContain('release.json');
});

describe('what can not be done is one sentence, and nothing is left behind', () => {
  test.each([
    ['no held-out set', 1, ['add_sub', '--dynamic'], "'add_sub' has no evaluation.tar, so nobody can tell"],
    ['no such operators', 1, ['add_sub', '--dynamic', '--output', join(folder, 'x.onnx')], 'it has Add, Sub; expected'],
    ['another version', 1, ['digits', '7', '--static'], "'digits' has no version 7; it has 1"],
    [
      'held-out pictures alone',
      1,
      ['kept', '--static', '--calibration', HELD_OUT],
      'there are 0 pictures to calibrate with',
    ],
    ['two methods', 2, ['kept', '--static', '--dynamic'], '--static and --dynamic are both given'],
    [
      'nothing to calibrate',
      2,
      ['kept', '--dynamic', '--calibration', HELD_OUT],
      '--calibration is given with --dynamic',
    ],
    ['no method to make live', 2, ['kept', '--promote'], '--promote is given; expected --static or --dynamic'],
    [
      'no such folder',
      2,
      ['kept', '--static', '--output', '/no/such/folder/m'],
      "--output is '/no/such/folder/m'; expected",
    ],
  ])('%s', async (_, expected, args, sentence) => {
    const { code, stderr } = await models('quantize', ...args, '-r', repository);
    expect([code, stderr]).toEqual([expected, expect.stringContaining(sentence)]);
    expect(existsSync(join(repository, args[0] ?? '', 'release.json'))).toBe(args[0] === 'digits');
    expect(existsSync(join(folder, 'x.onnx'))).toBe(false);
  });
});

test('pictures of the calibration that are held out are left alone, whatever their files are called', async () => {
  const heldOut = await picturesAt(HELD_OUT);
  const others = join(folder, 'others');
  mkdirSync(others);
  await run('tar', ['-xf', HELD_OUT, '-C', others]);
  const split = await splitOf(heldOut.slice(0, 300), others);
  expect(split.judging).toHaveLength(300);
  expect(split.calibration).toHaveLength(59);
  expect(split.from).toBe(`${others}, without the 300 of its pictures that are held out`);
  const own = await splitOf(heldOut, undefined);
  expect([own.calibration.length, own.judging.length]).toEqual([72, 287]);
  expect(own.judging.filter((picture) => own.calibration.includes(picture))).toEqual([]);
});

test('a signal ends it, its tools and what they have written', async () => {
  const temporary = join(folder, 'temporary');
  mkdirSync(temporary);
  const env = { ...process.env, TMPDIR: temporary };
  const command = [join(ROOT, 'functions/cli/models.ts'), 'quantize', 'kept', '--static', '-r', repository];
  const child = spawn(process.execPath, command, { cwd: ROOT, env, stdio: 'ignore' });
  const ended = once(child, 'exit');
  const written = () => readdirSync(temporary, { recursive: true }).filter((name) => `${name}`.endsWith('.onnx'));
  while (written().length === 0 && child.exitCode === null) await sleep(10);
  child.kill('SIGTERM');
  expect(await ended).toEqual([null, 'SIGTERM']);
  expect(readdirSync(temporary).filter((name) => name.startsWith('serverless-onnx'))).toEqual([]);
  expect(readdirSync(join(repository, 'kept'))).not.toContain('release.json');
});

describe('in S3', () => {
  let aws: LocalAws;
  beforeAll(async () => {
    aws = await startLocalAws();
    Object.assign(process.env, aws.env, { XDG_CACHE_HOME: join(folder, 'cache') });
    await new S3Client({ forcePathStyle: true }).send(new CreateBucketCommand({ Bucket: 'int8' }));
  });
  afterAll(() => aws.stop());

  test('a dynamic int8 version is published, and made live where that is asked for', async () => {
    const at = 's3://int8/models';
    expect((await models('push', at, 'kept', '-r', repository)).code).toBe(0);
    // The held-out set is the model's, and comes along.
    const { code, stdout } = await models('quantize', 'kept', '--dynamic', '--promote', '-r', at, '--json');
    expect([code, JSON.parse(stdout)]).toMatchObject([0, { samples: 359, published: '2', live: '2' }]);
    expect((await models('verify', 'kept', '-r', at)).code).toBe(0);
    const { path } = await (await repositoryAt(at)).fetch('kept', '2', 'model.onnx');
    expect(await isStaticGraph(path)).toBe(true);
  });
});
