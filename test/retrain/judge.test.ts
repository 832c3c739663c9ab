// Scripted challengers, each with its right decision: real models in ONNX Runtime, on the committed held-out digits.

import { createHash } from 'node:crypto';
import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Compiler } from '../../functions/inference/ports.ts';
import { Unavailable } from '../../functions/protocol/errors.ts';
import type { StoredDecision } from '../../functions/retrain/decisions.ts';
import { GATE_CODES } from '../../functions/retrain/gate.ts';
import { Judge } from '../../functions/retrain/judge.ts';
import { type Challengers, DECIDED_AT, makeChallengers, type World } from '../setup/challengers.ts';

let challengers: Challengers;
beforeAll(async () => {
  challengers = await makeChallengers();
}, 120_000);
afterAll(() => challengers.close());

const SCRIPT: { name: string; gates?: object; code: StoredDecision['code']; sentence: RegExp }[] = [
  { name: 'good', code: undefined, sentence: /^all 10 gates are passed$/ },
  { name: 'one_off', code: undefined, sentence: /^all 10 gates are passed$/ },
  {
    name: 'one_off',
    gates: { margin: 0.015 },
    code: 'worse-than-live',
    sentence: /of 359 pictures 0 .* 2 in the live/,
  },
  { name: 'noisy', code: 'worse-than-live', sentence: /minus that of the live version is -0\.0\d+, with 95 %/ },
  { name: 'blind', code: 'class-recall', sentence: /of the 35 held-out pictures of class '8' it recognises 0\.0000/ },
  { name: 'constant', code: 'accuracy-floor', sentence: /0\.1003 \(36 of 359, 95 % interval 0\.07\d\d to 0\.13\d\d\)/ },
  { name: 'not_a_number', code: 'golden', sentence: /the golden request's output 'probabilities'/ },
  { name: 'slow', code: 'latency', sentence: /times as long as the live version .* expected at most 4/ },
  { name: 'eleven', code: 'signature', sentence: /its labels are 0, 1, .*, 9, 10; those of 'digits' are 0, 1/ },
  { name: 'eleven_quietly', code: 'not-loadable', sentence: /has the shape \[1,11\]; expected \[-1,10\]/ },
  {
    name: 'other_input',
    code: 'signature',
    sentence: /config\.pbtxt names the input 'image'; the model has 'picture'/,
  },
  { name: 'failing', code: 'not-loadable', sentence: /it does not answer the held-out set: / },
  { name: 'corrupt', code: 'not-loadable', sentence: /is no ONNX model/ },
  { name: 'forgetful', code: 'golden', sentence: /the golden request's output 'probabilities' is \[1,10\]/ },
  { name: 'unlike', code: 'parity', sentence: /differs from the trained network by 0\.002/ },
  { name: 'untold', code: 'parity', sentence: /metrics\.json is of another model/ },
  { name: 'good', gates: { maxBytes: 1_000 }, code: 'size', sentence: /expected at most 1000/ },
  {
    name: 'good',
    gates: { margin: 0.005 },
    code: 'held-out-too-small',
    sentence: /has 359 pictures; expected at least 539/,
  },
  { name: 'good', gates: { minAccuracy: 0.998 }, code: 'accuracy-floor', sentence: /0\.9972 \(358 of 359/ },
];

test.each(SCRIPT)('$name, $gates: $code', { timeout: 60_000 }, async ({ name, gates, code, sentence }) => {
  const world = challengers.world(gates);
  const run = world.trained(name);
  const decision = await world.judge.judge(run);
  expect([decision.code, decision.outcome], decision.text).toEqual([code, code === undefined ? 'promote' : 'reject']);
  expect(decision.text).toMatch(sentence);
  expect(await world.stores.decisions.of('digits', run.job)).toEqual(decision);
});

test('there is a challenger that each gate stops', () => {
  expect([...new Set(SCRIPT.map(({ code }) => code))].filter(Boolean).sort()).toEqual([...GATE_CODES].sort());
});

describe('the decision', () => {
  let world: World;
  beforeAll(() => {
    world = challengers.world();
  });

  test('is kept with every number', async () => {
    const run = world.trained('one_off');
    const decision = await world.judge.judge(run);
    const file = join(world.root, 'decisions/digits/one-off.json');
    expect(JSON.parse(readFileSync(file, 'utf8'))).toEqual(decision);
    const model = readFileSync(join(challengers.folder, 'one_off/output/model/model.onnx'));
    expect(decision).toMatchObject({
      model: 'digits',
      id: run.id,
      job: 'one-off',
      execution: run.execution,
      decided_at: DECIDED_AT,
      live: '1',
      samples: 359,
      thresholds: { margin: 0.02, maxLatencyRatio: 4, minAccuracy: 0.8, minClassRecall: 0.8, parity: 1e-4 },
      champion: { correct: 358, per_class: { 8: { samples: 35 } } },
      challenger: { correct: 356, accuracy: 356 / 359 },
      comparison: { both_right: 356, only_champion_right: 2, only_challenger_right: 0, both_wrong: 1 },
      files: { 'model.onnx': createHash('sha256').update(model).digest('hex') },
      held_out_sha256: expect.stringMatching(/^[0-9a-f]{64}$/),
    });
    expect(Object.keys(decision.files).sort()).toEqual(['golden.json', 'metrics.json', 'model.onnx', 'report.html']);
    expect(decision.challenger?.infer_ms).toBeGreaterThan(0);
    for (const { name, passed, measured, threshold, text } of decision.gates) {
      expect([name, passed]).toEqual([name, true]);
      expect([typeof measured, typeof threshold]).not.toContain('undefined');
      expect(text.length).toBeGreaterThan(10);
    }
  });

  test('stands: who judges again is told the same, whatever is there by then', async () => {
    const run = world.trained('good', 'twice');
    const first = await world.judge.judge(run);
    cpSync(join(challengers.folder, 'noisy/output'), join(world.root, 'staging/digits/twice/output'), {
      recursive: true,
    });
    expect(await world.judge.judge(run)).toEqual(first);
  });

  test('of two judges at the same time is one', async () => {
    const run = world.trained('good', 'raced');
    const [a, b] = await Promise.all([world.judge.judge(run), world.judge.judge(run)]);
    expect(a).toEqual(b);
  });
});

test('a better model takes the place of a worse one', { timeout: 60_000 }, async () => {
  const world = challengers.world({ minAccuracy: 0.97 });
  const worse = readFileSync(join(challengers.folder, 'noisy/output/model/model.onnx'));
  writeFileSync(join(world.root, 'models/digits/1/model.onnx'), worse);
  const decision = await world.judge.judge(world.trained('good'));
  expect(decision.outcome).toBe('promote');
  expect(decision.comparison?.lower_bound_95).toBeGreaterThan(0);
});

test('the first version of a model has floors alone', { timeout: 60_000 }, async () => {
  const world = challengers.world({ margin: 0.001 });
  for (const file of ['1', 'config.pbtxt', 'labels.txt']) {
    rmSync(join(world.root, 'models/digits', file), { recursive: true });
  }
  const decision = await world.judge.judge(world.trained('noisy'));
  expect([decision.outcome, decision.live, decision.champion]).toEqual(['promote', undefined, undefined]);
  expect(decision.gates).toHaveLength(8);
  expect((await world.judge.judge(world.trained('constant'))).code).toBe('accuracy-floor');
});

test.each([
  ['has left no model', 'model.onnx', 'not-loadable', 'has left no model.onnx'],
  ['has left no metrics', 'metrics.json', 'parity', 'has left no metrics.json'],
  ['has left no golden request', 'golden.json', 'golden', 'has left no golden.json'],
  ['has left no labels', 'labels.txt', 'signature', 'has left no labels.txt; expected 0, 1, 2'],
])('a job that %s', { timeout: 60_000 }, async (_, file, code, sentence) => {
  const world = challengers.world();
  const run = world.trained('good');
  rmSync(join(world.root, 'staging/digits/good/output/model', file));
  const decision = await world.judge.judge(run);
  expect([decision.code, decision.text]).toEqual([code, expect.stringContaining(sentence)]);
});

test.each([
  ['metrics.json', 'x'.repeat(17 * 1024 ** 2), 'parity', 'metrics.json has 17825792 bytes; expected at most 16777216'],
  ['metrics.json', 'null', 'parity', 'is of another model'],
  ['metrics.json', '{', 'parity', 'metrics.json is no JSON'],
  ['golden.json', 'x'.repeat(17 * 1024 ** 2), 'golden', 'golden.json has 17825792 bytes'],
  ['golden.json', '{"request": {"inputs": []}}', 'golden', 'golden.json'],
  ['labels.txt', 'x'.repeat(17 * 1024 ** 2), 'not-loadable', 'labels.txt has 17825792 bytes'],
])('a job whose %s is bad: %#', { timeout: 60_000 }, async (file, content, code, sentence) => {
  const world = challengers.world();
  const run = world.trained('good');
  writeFileSync(join(world.root, 'staging/digits/good/output/model', file), content);
  const decision = await world.judge.judge(run);
  expect([decision.code, decision.text]).toEqual([code, expect.stringContaining(sentence)]);
});

test('a first version with a configuration that can not be read is rejected', async () => {
  const world = challengers.world();
  for (const file of ['1', 'config.pbtxt', 'labels.txt']) {
    rmSync(join(world.root, 'models/digits', file), { recursive: true });
  }
  const run = world.trained('good');
  writeFileSync(join(world.root, 'staging/digits/good/output/model/config.pbtxt'), 'name: [');
  const { code, text } = await world.judge.judge(run);
  expect([code, text]).toEqual(['not-loadable', expect.stringContaining("config.pbtxt can't be read")]);
});

test.each(['decision.json', 'compiled/model.ort'])('a job does not write its own %s', async (path) => {
  const world = challengers.world();
  const run = world.trained('constant');
  const folder = join(world.root, 'staging/digits/constant/output/model');
  mkdirSync(join(folder, 'compiled'));
  writeFileSync(join(folder, path), '{"outcome": "promote"}');
  const decision = await world.judge.judge(run);
  expect([decision.outcome, decision.text]).toEqual(['reject', expect.stringContaining(`${path}, which is not its`)]);
});

describe('nothing is decided', () => {
  test('without a held-out set', async () => {
    const world = challengers.world();
    rmSync(join(world.root, 'models/digits/evaluation.tar'));
    await expect(world.judge.judge(world.trained('good'))).rejects.toThrow("'digits' has no evaluation.tar");
  });

  test('with a live version that does not load', async () => {
    const world = challengers.world();
    writeFileSync(join(world.root, 'models/digits/1/model.onnx'), 'no model');
    await expect(world.judge.judge(world.trained('good'))).rejects.toThrow('no ONNX model');
  });

  test('with thresholds that make no sense', async () => {
    const world = challengers.world({ margin: 7 });
    await expect(world.judge.judge(world.trained('good'))).rejects.toThrow('gates.margin is 7');
  });

  test('while what the job has left can not be read', async () => {
    const world = challengers.world();
    const run = world.trained('good');
    const { stores, judge } = world;
    const staged: typeof stores.staged = (model, job) => {
      const found = stores.staged(model, job);
      found.asVersion = async () => ({
        fetch: async () => {
          throw new Unavailable('the bucket does not answer', 1);
        },
        read: stores.models.read.bind(stores.models),
      });
      return found;
    };
    const now = (): Date => new Date();
    const { decodeImage: decode } = await import('../../functions/adapters/image-file.ts');
    const told = (): void => {};
    const compiler: Compiler = { compile: async () => 'it is not to be' };
    const blind = new Judge({ ...stores, staged, loader: challengers.loader, compiler, told, decode, now });
    await expect(blind.judge(run)).rejects.toThrow('the bucket does not answer');
    expect(await stores.decisions.of('digits', run.job)).toBeUndefined();
    expect((await judge.judge(run)).outcome).toBe('promote');
  });

  test.each([
    ['../x', 'job'],
    ['digits', '../../x'],
    ['digits', 'a/b'],
  ])('of job %s/%s', async (model, job) => {
    const world = challengers.world();
    await expect(world.judge.judge({ model, job, id: 'i', execution: 'e' })).rejects.toThrow(/is no training job/);
  });
});
