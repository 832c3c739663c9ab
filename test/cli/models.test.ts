// `npm run models`, as processes, on a folder and on S3.

import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { CreateBucketCommand, GetObjectCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { afterAll, beforeAll, beforeEach, describe, expect, inject, test } from 'vitest';
import { repositoryAt } from '../../functions/cli/models/repository.ts';
import { ensureVenv } from '../../functions/cli/venv.ts';
import { parseRelease } from '../../functions/inference/release.ts';
import { type LocalAws, startLocalAws } from '../setup/local-aws.ts';

const ROOT = join(import.meta.dirname, '../..');
const DIGITS = join(ROOT, 'model-artifacts/digits');
const BUCKET = 'models-of-a-test';
const folder = mkdtempSync(join(tmpdir(), 'serverless-onnx-cli-'));
let aws: LocalAws;
let s3: S3Client;
const made = (name: string): string => join(inject('repository'), name, '1', 'model.onnx');

beforeAll(async () => {
  aws = await startLocalAws();
  // The tests read the repositories as well.
  Object.assign(process.env, aws.env, { XDG_CACHE_HOME: join(folder, 'cache') });
  s3 = new S3Client({ forcePathStyle: true });
  await s3.send(new CreateBucketCommand({ Bucket: BUCKET }));
});
afterAll(async () => {
  await aws.stop();
  rmSync(folder, { recursive: true });
});

type Ended = { code: number; stdout: string; stderr: string };

async function node(script: string, ...args: string[]): Promise<Ended> {
  try {
    const ended = await promisify(execFile)(process.execPath, [join(ROOT, script), ...args], { cwd: ROOT });
    return { code: 0, ...ended };
  } catch (error) {
    return error as Ended;
  }
}

let repository: string;
const models = (...args: string[]): Promise<Ended> => node('functions/cli/models.ts', ...args, '-r', repository);
/** What a command prints as JSON; it has to end well. */
async function json(...args: string[]) {
  const { code, stdout, stderr } = await models(...args, '--json');
  expect([code, stderr]).toEqual([0, '']);
  return JSON.parse(stdout);
}

let nextName = 0;
const KINDS = [
  {
    name: 'a folder',
    open: (): string => {
      const path = join(folder, `repository-${nextName++}`);
      mkdirSync(path);
      return path;
    },
    put: async (path: string, content: Uint8Array | string) => writeFileSync(join(repository, path), content),
    get: async (path: string) => readFileSync(join(repository, path)),
  },
  {
    name: 'S3',
    open: () => `s3://${BUCKET}/repository-${nextName++}`,
    put: async (path: string, Body: Uint8Array | string) => {
      await s3.send(new PutObjectCommand({ ...keyOf(path), Body }));
    },
    get: async (path: string) => {
      const { Body } = await s3.send(new GetObjectCommand(keyOf(path)));
      return Buffer.from((await Body?.transformToByteArray()) ?? []);
    },
  },
];

function keyOf(path: string): { Bucket: string; Key: string } {
  return { Bucket: BUCKET, Key: `${repository.replace(`s3://${BUCKET}/`, '')}/${path}` };
}

describe.each(KINDS)('npm run models on $name', ({ open, put, get }) => {
  beforeEach(() => {
    repository = open();
  });
  const release = async (model: string) => parseRelease((await get(`${model}/release.json`)).toString());
  const digits = (...more: string[]): Promise<Ended> =>
    models('publish', join(DIGITS, '1/model.onnx'), '--as', 'digits', ...more);

  test('the life of a model', async () => {
    const files = ['--config', join(DIGITS, 'config.pbtxt'), '--labels', join(DIGITS, 'labels.txt')];
    const first = await digits(...files, '--metrics', join(DIGITS, '1/metrics.json'), '--by', 'ada');
    expect(first.stdout).toBe('digits: version 1 is published\ndigits: version 1 is live\n');
    expect((await digits()).stdout).toContain('npm run models -- promote digits 2 makes it live');
    expect(await json('canary', 'digits', '2', '--weight', '0.25')).toMatchObject({
      live: '1',
      canary: { weight: 0.25 },
    });
    expect(await json('rollback', 'digits')).toEqual({ model: 'digits', live: '1' });
    expect(await json('promote', 'digits', '2', '--reason', 'better')).toEqual({ model: 'digits', live: '2' });
    expect(await json('rollback', 'digits', '--pin')).toEqual({ model: 'digits', live: '1', pinned: true });
    const refused = await models('promote', 'digits', '2');
    expect([refused.code, refused.stderr]).toEqual([1, expect.stringContaining('version 1 is pinned by')]);
    expect(await json('unpin', 'digits')).toEqual({ model: 'digits', live: '1' });
    expect((await digits('--promote')).stdout).toContain('digits: version 3 is live');
    const [listed] = await json('list');
    expect(listed).toMatchObject({ model: 'digits', live: '3', versions: ['1', '2', '3'] });
    const { inputs, history, opsets, bytes, parameters, flops } = await json('inspect', 'digits');
    expect(inputs).toEqual([{ name: 'image', datatype: 'FP32', shape: [-1, 3, 32, 32] }]);
    expect([opsets, parameters]).toEqual([{ '': 18 }, 62_012]);
    expect(bytes).toBeGreaterThan(4 * 62_012);
    // Two convolutions with 5 x 5 windows at 28 x 28 and 10 x 10 places, and three dense layers.
    const products = 28 ** 2 * 6 * 3 * 25 + 10 ** 2 * 16 * 6 * 25 + 400 * 120 + 120 * 84 + 84 * 10;
    expect(flops).toBe(2 * products);
    const actions = history.map(({ action, version }: { action: string; version: string }) => `${action} ${version}`);
    expect(actions.join(', ')).toBe(
      'publish 1, publish 2, canary 2, rollback 1, promote 2, rollback 1, pin 1, unpin 1, publish 3, promote 3',
    );
    expect(history[0]).toMatchObject({ by: 'ada', metrics: { accuracy: 0.997214 } });
    expect(history[4]).toMatchObject({ from: '1', reason: 'better' });
    expect((await models('inspect', 'digits')).stdout).toMatch(
      /FLOPs of one row +1,303,440 .*input +image FP32 \[any, 3, 32, 32\]/s,
    );
    expect((await models('list')).stdout).toMatch(/digits +3 +1 2 3 .*promote 3/);
  });

  test('the first publication beside versions without a release.json names the one that is live', async () => {
    for (const version of ['3', '10']) {
      if (repository.startsWith('/')) mkdirSync(join(repository, 'old', version), { recursive: true });
      await put(`old/${version}/model.onnx`, readFileSync(made('identity_fp32')));
    }
    expect(await json('publish', made('identity_fp32'), '--as', 'old')).toEqual({ model: 'old', live: '10' });
    const { live, history } = await release('old');
    expect(live).toBe('10');
    expect(history?.map(({ action, version }) => `${action} ${version}`)).toEqual(['adopt 10', 'publish 11']);
    expect(Object.keys(history?.[0]?.sha256 ?? {})).toEqual(['model.onnx']);
  });

  test('what is not as it should be is refused, and nothing changes', async () => {
    await json('publish', made('identity_fp32'), '--as', 'm');
    const before = await release('m');
    const refused = async (sentence: string, ...args: string[]): Promise<void> => {
      const { code, stderr } = await models(...args);
      expect([code, stderr]).toEqual([1, expect.stringContaining(sentence)]);
    };
    await refused('its inputs are INPUT0 INT32', 'publish', made('identity_int32'), '--as', 'm');
    await refused('the model file is no ONNX model', 'publish', made('corrupt'), '--as', 'm');
    await refused("'m' has a version 1 already", 'publish', made('identity_fp32'), '--as', 'm', '--version', '1');
    const golden = join(folder, 'golden.json');
    const data = (value: number) => [{ name: 'INPUT0', shape: [1, 1], datatype: 'FP32', data: [value] }];
    writeFileSync(golden, JSON.stringify({ request: { inputs: data(1) }, response: { outputs: data(1) } }));
    await refused("output 'INPUT0' is nothing", 'publish', made('identity_fp32'), '--as', 'm', '--golden', golden);
    await refused("'m' has no complete version 7; it has 1", 'promote', 'm', '7');
    await refused('nothing was live before version 1', 'rollback', 'm');
    await refused("version 1 of 'm' is live by now; expected 4", 'promote', 'm', '1', '--if-live', '4');
    await refused("'nothing' is not found", 'promote', 'nothing', '1');
    await refused("'nothing' is not found", 'inspect', 'nothing');
    expect(await release('m')).toEqual(before);
  });

  test('a golden request is kept, or made up', async () => {
    await json('publish', made('add_sub'), '--as', 'm');
    const { request, response } = JSON.parse((await get('m/1/golden.json')).toString());
    const sum = (i: number): number => request.inputs[0].data[i] + request.inputs[1].data[i];
    expect(response.outputs[0].data).toEqual(Array.from({ length: 16 }, (_, i) => sum(i)));
    const golden = join(folder, 'golden-right.json');
    writeFileSync(golden, JSON.stringify({ request, response }));
    await json('publish', made('add_sub'), '--as', 'm', '--golden', golden);
    expect((await get('m/2/golden.json')).toString()).toBe(readFileSync(golden, 'utf8'));
  });

  test('verify finds one flipped bit', async () => {
    await json('publish', made('identity_fp32'), '--as', 'm');
    expect((await json('verify')).map(({ state }: { state: string }) => state)).toEqual(['intact', 'intact']);
    const bytes = await get('m/1/model.onnx');
    bytes[20] = (bytes[20] ?? 0) ^ 1;
    await put('m/1/model.onnx', bytes);
    const { code, stdout, stderr } = await models('verify', 'm');
    expect([code, stderr]).toEqual([1, expect.stringContaining('1 of 2 files are not what was published')]);
    expect(stdout).toMatch(/model\.onnx +changed/);
  });

  test('push and pull bring models over, with what is live', async () => {
    const [source, target] = [repository, open()];
    for (const model of ['a', 'b']) await json('publish', made('identity_fp32'), '--as', model);
    await json('publish', made('identity_fp32'), '--as', 'a', '--promote');
    await json('publish', made('identity_fp32'), '--as', 'a');
    expect(await json('push', target)).toMatchObject([
      { model: 'a', versions: ['2', '1', '3'] },
      { model: 'b', versions: ['1'] },
    ]);
    expect(await json('push', target)).toMatchObject([{ versions: [] }, { versions: [] }]);
    repository = target;
    expect((await release('a')).live).toBe('2');
    expect((await json('verify')).every(({ state }: { state: string }) => state === 'intact')).toBe(true);
    await json('publish', made('identity_fp32'), '--as', 'b');
    repository = source;
    expect(await json('pull', target, 'b')).toMatchObject([{ model: 'b', versions: ['2'] }]);
    expect((await release('b')).live).toBe('1');
    // The same number for other bytes: neither side loses.
    await json('publish', made('add_sub'), '--as', 'c');
    repository = target;
    await json('publish', made('scalar'), '--as', 'c');
    const { code, stderr } = await models('push', source, 'c');
    expect([code, stderr]).toEqual([1, expect.stringMatching(/c\/1\/(golden.json|model.onnx) is another one there/)]);
  });

  test('compare tells how good, how fast, how large and how dear', async () => {
    const labels = ['--labels', join(DIGITS, 'labels.txt')];
    await digits('--config', join(DIGITS, 'config.pbtxt'), ...labels);
    await digits();
    const config = join(folder, 'nameless.pbtxt');
    writeFileSync(config, readFileSync(join(DIGITS, 'config.pbtxt'), 'utf8').replace(/^name:.*$/m, ''));
    await json('publish', join(DIGITS, '1/model.onnx'), '--as', 'another', '--config', config, ...labels);
    const held = join(folder, 'held-out');
    const { stdout } = await promisify(execFile)(await ensureVenv(), [join(ROOT, 'test/cli/held_out.py'), held]);
    const expected = JSON.parse(stdout) as { correct: number; samples: number };
    const rows = await json('compare', 'digits', 'digits/2', 'another', '--data', held);
    expect(rows).toMatchObject([
      { model: 'digits', version: '1', ...expected },
      { model: 'digits', version: '2', ...expected },
      { model: 'another', version: '1', ...expected },
    ]);
    for (const { accuracy, inferMs, bytes, usd } of rows) {
      expect(accuracy).toBe(expected.correct / expected.samples);
      expect(bytes).toBe(statSync(join(DIGITS, '1/model.onnx')).size);
      expect(inferMs).toBeGreaterThan(0);
      // Requests of API Gateway and Lambda, and the time of a Lambda function with 1,769 MB.
      expect(usd).toBeCloseTo(3.7 + (inferMs + 2) * (1769 / 1024) * 0.0133334, 6);
    }
    // The committed archive holds the same pictures.
    const [archived] = await json('compare', 'digits', '--data', join(DIGITS, 'evaluation.tar'));
    expect(archived).toMatchObject({ version: '1', ...expected });
    const { code, stderr } = await models('compare', 'digits', '--data', join(ROOT, 'infra'));
    expect([code, stderr]).toEqual([1, expect.stringContaining('holds no pictures')]);
  });

  test('of 50 promoters one wins, and the others are told', { timeout: 600_000 }, async () => {
    const all = await repositoryAt(repository);
    for (let version = 1; version <= 51; version++) {
      await all.create('m', `${version}/model.onnx`, (await all.files('m')).get('1/model.onnx') ?? bytesOf('a model'));
    }
    await put('m/release.json', '{"live": "1"}');
    const versions = Array.from({ length: 50 }, (_, i) => `${i + 2}`);
    const ended = await Promise.all(versions.map((version) => models('promote', 'm', version, '--if-live', '1')));
    const winners = versions.filter((_, i) => ended[i]?.code === 0);
    expect(winners).toHaveLength(1);
    expect((await release('m')).live).toBe(winners[0]);
    const told = ended.filter(({ code }) => code !== 0);
    for (const { code, stderr } of told) {
      expect(code).toBe(1);
      expect(stderr).toMatch(/is live by now; expected 1|was changed by somebody else/);
    }
  });

  test('a publisher that is killed at any step leaves a repository that serves, and the next one goes on', {
    timeout: 600_000,
  }, async () => {
    const store = await repositoryAt(repository);
    const script = 'test/cli/publish-until-killed.ts';
    for (const [model, isThere] of [
      ['fresh', false],
      ['known', true],
    ] as const) {
      if (isThere) expect((await node(script, repository, model, '0')).code).toBe(0);
      const steps = Number((await node(script, repository, `${model}-whole`, '0')).stdout);
      expect(steps).toBeGreaterThan(5);
      for (let step = 1; step <= steps; step++) {
        const name = isThere ? model : `${model}-${step}`;
        const killed = await node(script, repository, name, `${step}`);
        expect(killed.stdout, `step ${step} of ${steps}`).toBe('');
        const { versions, release: text } = await store.find(name);
        if (text !== undefined && versions.length > 0) expect(versions).toContain(parseRelease(text).live);
        if (isThere && step % 5 > 0) continue;
        const next = await node(script, repository, name, '0');
        expect(next.stderr).toBe('');
        const after = await store.find(name);
        expect(after.versions).toContain(parseRelease(after.release ?? '').live);
      }
    }
  });
});

test('push and pull between a folder and a bucket', async () => {
  const [local = '', bucket = ''] = KINDS.map(({ open }) => open());
  const states = async () => new Set((await json('verify')).map(({ state }: { state: string }) => state));
  repository = local;
  await json('publish', made('identity_fp32'), '--as', 'm');
  await json('publish', made('identity_fp32'), '--as', 'm', '--promote');
  expect(await json('push', bucket)).toMatchObject([{ model: 'm', versions: ['2', '1'] }]);
  repository = bucket;
  expect(await states()).toEqual(new Set(['intact']));
  expect(await json('list')).toMatchObject([{ model: 'm', live: '2', versions: ['1', '2'] }]);
  expect(await json('publish', made('identity_fp32'), '--as', 'm', '--promote')).toEqual({ model: 'm', live: '3' });
  repository = local;
  expect(await json('pull', bucket, 'm')).toMatchObject([{ model: 'm', versions: ['3'] }]);
  expect(await states()).toEqual(new Set(['intact']));
  expect(await json('list')).toMatchObject([{ model: 'm', live: '2', versions: ['1', '2', '3'] }]);
});

function bytesOf(text: string) {
  return {
    size: text.length,
    sha256: async () => '',
    async *open() {
      yield Buffer.from(text);
    },
  };
}

test('--deployed means the bucket of what was deployed from this folder', async () => {
  const project = join(folder, 'project');
  mkdirSync(project);
  const run = async (...args: string[]): Promise<Ended> => {
    const command = [join(ROOT, 'functions/cli/models.ts'), ...args, '--deployed', '--json'];
    return promisify(execFile)(process.execPath, command, { cwd: project }).then(
      (ended) => ({ code: 0, ...ended }),
      (error: Ended) => error,
    );
  };
  expect(await run('list')).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('nothing was deployed from this'),
  });
  const outputs = { ServerlessOnnxModels: { ModelBucket: BUCKET }, ServerlessOnnxServing: { ApiUrl: 'https://…' } };
  writeFileSync(join(project, 'cdk-outputs.json'), JSON.stringify(outputs));
  const { stdout } = await run('publish', made('identity_fp32'), '--as', 'deployed');
  expect(JSON.parse(stdout)).toEqual({ model: 'deployed', live: '1' });
  repository = `s3://${BUCKET}/models`;
  expect(await json('list')).toMatchObject([{ model: 'deployed', live: '1' }]);
});

describe('what can not be understood ends with exit code 2 and a sentence', () => {
  test.each([
    [['promote', 'm'], "missing required argument 'version'"],
    [['promote', '../m', '1'], "model is '../m'; expected up to 128 letters"],
    [['promote', 'm', '01'], "version is '01'; expected an integer"],
    [['canary', 'm', '1', '--weight', '10'], "--weight is '10'; expected a number above 0"],
    [['publish', 'no-such-file', '--as', 'm'], 'no-such-file does not exist'],
    [['publish', ROOT, '--as', 'm'], 'is no file'],
    [['publish', 'package.json'], "required option '--as <model>' not specified"],
    [['push', 'no-such-folder'], "the repository is 'no-such-folder', which does not exist"],
    [['compare', 'digits', '--data', 'package.json'], "--data is 'package.json'; expected a folder"],
    [['compare', 'digits', '--data', 'no-such.tar'], "--data is 'no-such.tar'; expected a folder"],
    [['compare', 'a/b', '--data', ROOT], "'a/b' is no version; expected MODEL or MODEL/VERSION"],
    [['lits'], "unknown command 'lits'\n(Did you mean list?)"],
  ])('%j', async (args, sentence) => {
    repository = folder;
    const { code, stderr } = await models(...args);
    expect([code, stderr]).toEqual([2, expect.stringContaining(sentence)]);
  });
});
