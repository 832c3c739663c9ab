// `npm run retrain`, as a process.

import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Publisher } from '../../functions/inference/publisher.ts';
import { Promoter } from '../../functions/retrain/promote.ts';
import { type Challengers, makeChallengers, type World } from '../setup/challengers.ts';

const ROOT = join(import.meta.dirname, '../..');
let challengers: Challengers;
let world: World;
beforeAll(async () => {
  challengers = await makeChallengers();
  world = challengers.world();
  const run = world.trained('one_off');
  await world.judge.judge(run);
  await new Promoter({ ...world.stores, now: () => new Date() }).promote(run);
  await new Publisher(world.stores.models, () => ({ at: '2026-11-25T13:00:00.000Z', by: 'ada' })).pin('digits');
}, 120_000);
afterAll(() => challengers.close());

type Ended = { code: number; stdout: string; stderr: string };

async function retrain(...args: string[]): Promise<Ended> {
  const command = [join(ROOT, 'functions/cli/retrain.ts'), ...args, '-r', world.places.modelRepository];
  try {
    const ended = await promisify(execFile)(process.execPath, command, { cwd: ROOT });
    return { code: 0, ...ended };
  } catch (error) {
    return error as Ended;
  }
}

describe('explain', () => {
  test('leads from a version back to data, program, image and decision', async () => {
    const { code, stdout, stderr } = await retrain('explain', 'digits');
    expect([code, stderr]).toEqual([0, '']);
    const { lineage } = JSON.parse((await retrain('explain', 'digits', '2', '--json')).stdout);
    expect(stdout).toContain('digits version 2 (live and pinned)');
    for (const name of ['id', 'snapshot', 'job', 'execution', 'image', 'code', 'code_sha256', 'model_sha256']) {
      expect(lineage[name]).toBeTruthy();
      expect(stdout, name).toContain(lineage[name]);
    }
    expect(stdout).toContain(lineage.manifest.sha256);
    expect(stdout).toMatch(/worse-than-live +yes +its accuracy minus that of the live version is -0\.0056/);
    expect(stdout).toMatch(/promote 2 +retraining +job one-off: accuracy 0\.9916, -0\.0056 to the one before/);
    expect(stdout).toMatch(/pin 2 +ada/);
  });

  test('says so of a version that retraining has not made', async () => {
    const { stdout } = await retrain('explain', 'digits', '1');
    expect(stdout).toContain('digits version 1 (not live)');
    expect(stdout).toMatch(/made by +somebody, not by retraining/);
    expect(stdout).toMatch(/adopt 1 +retraining/);
  });

  test.each([
    [['explain', 'digits', '7'], 1, "'digits/7' is not found"],
    [['explain', 'nothing'], 1, "'nothing' is not found"],
    [['explain', '../digits'], 2, "model is '../digits'; expected up to 128 letters"],
    [['explain', 'digits', 'x'], 2, "version is 'x'; expected an integer"],
    [['explain'], 2, "missing required argument 'model'"],
    [['explian', 'digits'], 2, "unknown command 'explian'"],
  ])('%j ends with exit code %d', async (args, code, sentence) => {
    const ended = await retrain(...args);
    expect([ended.code, ended.stderr]).toEqual([code, expect.stringContaining(sentence)]);
  });
});
