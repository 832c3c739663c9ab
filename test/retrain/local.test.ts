// What the loop on one machine has in place of AWS: executions, the lock, the settings of the training.

import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { DirectoryRepository } from '../../functions/adapters/directory-repository.ts';
import { Changes } from '../../functions/retrain/local/changes.ts';
import { Executions, NotStopped } from '../../functions/retrain/local/executions.ts';
import { AlreadyWatched, Lock } from '../../functions/retrain/local/lock.ts';
import { TrainingFailed, train } from '../../functions/retrain/local/training-program.ts';
import { trainingSettings, WrongTraining } from '../../functions/retrain/local/training-settings.ts';

const folder = mkdtempSync(join(tmpdir(), 'serverless-onnx-local-'));
afterAll(() => rmSync(folder, { recursive: true }));
let nextName = 0;
const newFolder = (): string => {
  const path = join(folder, `${nextName++}`);
  mkdirSync(path);
  return path;
};

describe('an execution', () => {
  const input = { model: 'm', id: '0123', snapshot: '/snapshots/m/0123/', rerun: 0 };

  test('of one name is started once, by many at the same time, and stays ended', async () => {
    const root = newFolder();
    const names = await Promise.all(Array.from({ length: 20 }, () => new Executions(root).start(input)));
    expect(new Set(names)).toEqual(new Set(['0123']));
    const executions = new Executions(root);
    const [only, ...more] = await executions.running();
    expect([only, more]).toMatchObject([{ model: 'm', id: '0123', name: '0123', step: 'train' }, []]);
    if (only === undefined) return;
    await executions.end(only, 'succeeded');
    expect(await executions.start(input)).toBe('0123');
    expect([await executions.state('m', '0123'), await executions.running()]).toEqual(['succeeded', []]);
    expect(await executions.start({ ...input, rerun: 2 })).toBe('0123-r2');
    expect(await executions.state('m', 'another')).toBeUndefined();
  });

  test('is stopped by whoever wants it, but not while its model is promoted', async () => {
    const executions = new Executions(newFolder());
    for (const rerun of [0, 1]) await executions.start({ ...input, rerun });
    const [first, second] = await executions.running();
    if (first === undefined || second === undefined) throw new Error('two were started');
    await executions.stop('m', first.name, 'ada stopped it');
    expect(await executions.execution('m', first.name)).toMatchObject({ state: 'stopped', reason: 'ada stopped it' });
    expect(await executions.advance(first, 'judge')).toBe(false);
    expect(await executions.advance(second, 'judge')).toBe(true);
    expect(await executions.advance(second, 'promote')).toBe(true);
    await expect(executions.stop('m', second.name, 'too late')).rejects.toThrow(NotStopped);
    expect(await executions.running()).toMatchObject([{ name: second.name, step: 'promote' }]);
    // What has ended is nothing to stop.
    await executions.end(second, 'succeeded');
    await executions.stop('m', second.name, 'too late');
    expect(await executions.state('m', second.name)).toBe('succeeded');
  });
});

describe('the lock', () => {
  const never = (error: Error): void => {
    throw error;
  };

  test('is held by one; others are told by whom', async () => {
    const root = newFolder();
    const locks = Array.from({ length: 10 }, () => new Lock(root));
    const taken = await Promise.allSettled(locks.map((lock) => lock.take(never)));
    expect(taken.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    await expect(new Lock(root).take(never)).rejects.toThrow(AlreadyWatched);
    await expect(new Lock(root).take(never)).rejects.toThrow(`process ${process.pid} on ${hostname()} watches`);
    await locks[taken.findIndex(({ status }) => status === 'fulfilled')]?.release();
    expect(await new Lock(root).holder()).toBeUndefined();
    const next = new Lock(root);
    await next.take(never);
    await next.release();
  });

  test.each([
    ['a process that is no more', { pid: 2 ** 22 + 1, host: hostname(), at: new Date().toISOString() }],
    ['another machine that was not heard of for long', { pid: 1, host: 'another', at: '2026-01-01T00:00:00.000Z' }],
  ])('of %s is taken over', async (_, holder) => {
    const root = newFolder();
    mkdirSync(join(root, 'watch'));
    writeFileSync(join(root, 'watch/holder.json'), JSON.stringify(holder));
    const lock = new Lock(root);
    await lock.take(never);
    expect(await new Lock(root).holder()).toMatchObject({ pid: process.pid });
    await lock.release();
  });
});

describe('training.json', () => {
  const settingsOf = async (options: unknown) => {
    const root = newFolder();
    mkdirSync(join(root, 'm'));
    writeFileSync(join(root, 'm/training.json'), JSON.stringify(options));
    return trainingSettings(new DirectoryRepository(root), 'm');
  };

  test('says how it is trained; what is AWS’s is of no matter', async () => {
    const hyperParameters = { epochs: 3, nesterov: true, optimizer: 'sgd' };
    expect(await settingsOf({ hyperParameters, instanceType: 'ml.m5.large' })).toEqual({
      hyperParameters,
      checkpoints: true,
    });
    expect(await settingsOf({ checkpoints: false })).toEqual({ hyperParameters: {}, checkpoints: false });
  });

  test.each([
    [{ hyperParameters: 3 }, 'hyperParameters is 3; expected an object of options'],
    [{ hyperParameters: { name: 'x' } }, 'hyperParameters has name "x"; expected options of the training program but'],
    [{ hyperParameters: { epochs: [1] } }, 'hyperParameters has epochs [1]'],
    [{ hyperParameters: { '--data': '/' } }, 'hyperParameters has --data "/"'],
    [{ checkpoints: 'no' }, 'checkpoints is "no"; expected true or false'],
  ])('%j is refused with a sentence', async (options, sentence) => {
    await expect(settingsOf(options)).rejects.toThrow(WrongTraining);
    await expect(settingsOf(options)).rejects.toThrow(sentence);
  });
});

describe('the training program', () => {
  /** A program of a few lines in place of train.py, under the same contract. */
  const run = async (program: string, signal = new AbortController().signal, checkpoints = true) => {
    const root = newFolder();
    const file = join(root, 'program.mjs');
    writeFileSync(file, program);
    const lines: string[] = [];
    const job = {
      model: 'm',
      snapshot: '/a/snapshot/',
      folder: join(root, 'job'),
      settings: { hyperParameters: { epochs: 3, nesterov: true }, checkpoints },
    };
    const ended = train({ python: async () => process.execPath, file }, job, signal, (line) => lines.push(line));
    return { lines, root, ended };
  };

  test('is given its options, and the environment of SageMaker’s toolkit', async () => {
    const { lines, root, ended } = await run(`
      import { existsSync } from 'node:fs';
      console.log(process.argv.slice(2).join(' '));
      for (const name of ['CHANNEL_TRAINING', 'MODEL_DIR', 'OUTPUT_DIR']) console.log(process.env['SM_' + name]);
      console.log(existsSync(process.env.SM_MODEL_DIR), existsSync(process.env.SM_OUTPUT_DIR + '/../checkpoints'));
    `);
    await ended;
    const output = join(root, 'job/output');
    expect(lines).toEqual([
      '--epochs 3 --nesterov true --name m',
      '/a/snapshot/',
      join(output, 'model'),
      output,
      'true true',
    ]);
    expect(readdirSync(join(root, 'job'))).toEqual(['output']);
  });

  test('without checkpoints has no folder for them', async () => {
    const program = `
      import { existsSync } from 'node:fs';
      process.exitCode = existsSync(process.env.SM_OUTPUT_DIR + '/../checkpoints') ? 1 : 0;
    `;
    await (await run(program, new AbortController().signal, false)).ended;
  });

  test('that fails is told by its own sentence, or by how it ended', async () => {
    const failing = `
      import { writeFileSync } from 'node:fs';
      writeFileSync(process.env.SM_OUTPUT_DIR + '/failure', 'all files are of one class');
      process.exitCode = 1;
    `;
    await expect((await run(failing)).ended).rejects.toThrow(TrainingFailed);
    await expect((await run(failing)).ended).rejects.toThrow(/^all files are of one class$/);
    await expect((await run('process.exit(3)')).ended).rejects.toThrow('the training program ended with 3');
    await expect((await run('process.kill(process.pid, "SIGKILL")')).ended).rejects.toThrow('ended with SIGKILL');
  });

  test('ends when it is to', async () => {
    const end = new AbortController();
    const { lines, ended } = await run('console.log("here"); setInterval(() => {}, 1000);', end.signal);
    const failed = expect(ended).rejects.toThrow('ended with SIGTERM');
    await expect.poll(() => lines).toEqual(['here']);
    end.abort();
    await failed;
  });
});

test('changes in folders that come later are told of, too', async () => {
  const root = newFolder();
  const told: string[] = [];
  const changes = new Changes(root, (model) => {
    told.push(model);
    void changes.refresh();
  });
  await changes.refresh();
  mkdirSync(join(root, 'm/cat'), { recursive: true });
  await expect.poll(() => told).toContain('m');
  await changes.refresh();
  told.length = 0;
  writeFileSync(join(root, 'm/cat/1.png'), 'a picture');
  await expect.poll(() => told).toContain('m');
  rmSync(join(root, 'm'), { recursive: true });
  await changes.refresh();
  changes.close();
});
