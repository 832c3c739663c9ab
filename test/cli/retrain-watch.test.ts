// `npm run retrain -- watch`: the whole loop on this machine, as processes: pictures in a folder, and a server that answers with the new version.

import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { ensureVenv } from '../../functions/cli/venv.ts';
import type { Progress } from '../../functions/retrain/local/progress.ts';
import { type ServerProcess, startServer } from '../setup/edges.ts';

const ROOT = join(import.meta.dirname, '../..');
const DIGITS = join(ROOT, 'model-artifacts/digits');
const COMMAND = join(ROOT, 'functions/cli/retrain.ts');
const REQUEST = readFileSync(join(DIGITS, 'samples/request.json'));
const folder = mkdtempSync(join(tmpdir(), 'serverless-onnx-watch-'));
const ENV = { ...process.env, OMP_NUM_THREADS: '1', XDG_CACHE_HOME: join(folder, 'cache') };
/** Pictures of digits to train on, `<digit>/<n>.png`. */
const pictures = join(folder, 'digits/training');
/** A model that never says eight. */
const weak = join(folder, 'challengers/blind/output/model/model.onnx');

beforeAll(async () => {
  const python = await ensureVenv();
  const made = (script: string, to: string) =>
    promisify(execFile)(python, [join(ROOT, 'test', script), join(folder, to)], { env: ENV });
  await Promise.all([made('train/digits_folder.py', 'digits'), made('models/make_challengers.py', 'challengers')]);
});

const watchers: Watcher[] = [];
afterEach(async () => {
  for (const watcher of watchers.splice(0)) await watcher.end('SIGTERM');
});
afterAll(() => rmSync(folder, { recursive: true }));

type Event = Progress['event'];
type Of<E extends Event> = Extract<Progress, { event: E }>;
type Watcher = {
  readonly process: ChildProcess;
  readonly shown: Progress[];
  /** Waits for something to be shown that was not waited for before. */
  next<E extends Event>(event: E, isIt?: (progress: Of<E>) => boolean): Promise<Of<E>>;
  end(signal: NodeJS.Signals): Promise<number | null>;
};

let nextName = 0;

/** A repository with the weak model live, an empty folder of data, and what the loop keeps. */
class World {
  readonly root = join(folder, `world-${nextName++}`);
  readonly models = join(this.root, 'models');
  readonly work = join(this.root, 'work');
  readonly options = ['-r', this.models, '--datasets', join(this.root, 'data'), '--work', this.work];
  /** No other process has it on its command line. */
  readonly seed = 1_000_000_000 + process.pid * 100 + nextName;

  constructor() {
    cpSync(DIGITS, join(this.models, 'digits'), { recursive: true });
    cpSync(weak, join(this.models, 'digits/1/model.onnx'));
    this.train({ epochs: 8 });
  }

  /** On a machine that does other things; and every run is allowed. */
  train(hyperParameters: object, gates: object = {}): void {
    const options = {
      dailyJobs: 100,
      hyperParameters: { 'batch-size': 16, seed: this.seed, ...hyperParameters },
      gates: { minAccuracy: 0.88, minClassRecall: 0.6, margin: 0.05, maxLatencyRatio: 20, ...gates },
    };
    writeFileSync(join(this.models, 'digits/training.json'), JSON.stringify(options));
  }

  /** Drops so many pictures of each digit, from a number on. */
  drop(from: number, to: number): void {
    for (const digit of readdirSync(pictures)) {
      const target = join(this.root, 'data/digits', digit);
      mkdirSync(target, { recursive: true });
      for (const name of readdirSync(join(pictures, digit)).slice(from, to)) {
        cpSync(join(pictures, digit, name), join(target, name));
      }
    }
  }

  async run(...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
    try {
      const options = args[0] === 'explain' ? this.options.slice(0, 2) : this.options;
      const ended = await promisify(execFile)(process.execPath, [COMMAND, ...args, ...options], { env: ENV });
      return { code: 0, ...ended };
    } catch (error) {
      return error as { code: number; stdout: string; stderr: string };
    }
  }

  async json(...args: string[]) {
    const { code, stdout, stderr } = await this.run(...args, '--json');
    expect(code, stderr).toBe(0);
    return JSON.parse(stdout);
  }

  async watch(): Promise<Watcher> {
    const args = [COMMAND, 'watch', '--json', '--quiet-seconds', '1', ...this.options];
    const child = spawn(process.execPath, args, { env: ENV, stdio: ['ignore', 'pipe', 'inherit'] });
    const shown: Progress[] = [];
    let looked = 0;
    let told = () => {};
    createInterface(child.stdout).on('line', (line) => {
      shown.push(JSON.parse(line) as Progress);
      told();
    });
    const closed = once(child, 'close').then(([code]) => code as number | null);
    const watcher: Watcher = {
      process: child,
      shown,
      async next(event, isIt = () => true) {
        for (;;) {
          for (; looked < shown.length; looked++) {
            const progress = shown[looked] as Progress;
            if (progress.event !== event || !isIt(progress as Of<typeof event>)) continue;
            looked++;
            return progress as Of<typeof event>;
          }
          if (child.exitCode !== null) throw new Error(`it ended before ${event}: ${JSON.stringify(shown.slice(-3))}`);
          await Promise.race([new Promise<void>((resolve) => (told = resolve)), closed]);
        }
      },
      async end(signal) {
        child.kill(signal);
        return closed;
      },
    };
    watchers.push(watcher);
    await watcher.next('watching');
    return watcher;
  }
}

const codeOf = ({ fields }: Of<'notified'>) => [fields.state, fields.code];

describe('the loop', () => {
  let world: World;
  let server: ServerProcess;
  beforeAll(async () => {
    world = new World();
    server = await startServer({ MODEL_REPOSITORY: world.models, REPOSITORY_POLL_SECS: '1' });
  });
  afterAll(async () => server.close());

  /** The version that answers. */
  async function served(): Promise<string> {
    const { status, text } = await server.call('/v2/models/digits/infer', { method: 'POST', body: REQUEST });
    expect([status, text]).toEqual([200, expect.stringContaining(':7')]);
    return JSON.parse(text).model_version;
  }

  test('better models come to serve, and nothing else does', { timeout: 400_000 }, async () => {
    expect(await served()).toBe('1');
    const watcher = await world.watch();

    // What is dropped is trained on, judged and promoted; the server swaps by itself.
    world.drop(0, 60);
    expect(await watcher.next('considered', ({ outcome }) => outcome === 'accepted')).toMatchObject({
      model: 'digits',
    });
    expect((await watcher.next('training')).line).toMatch(/^\d+ images to train on, \d+ held out, 10 classes/);
    await watcher.next('training', ({ line }) => /^epoch 8\/8 loss=/.test(line));
    const { decision } = await watcher.next('judged');
    expect(decision).toMatchObject({ outcome: 'promote', live: '1' });
    const first = await watcher.next('notified');
    expect(first).toMatchObject({ subject: 'digits: promoted', text: expect.stringContaining('version: 2') });
    await expect.poll(served).toBe('2');
    const { lineage } = await world.json('explain', 'digits');
    expect(lineage).toMatchObject({
      id: first.fields.id,
      image: expect.stringMatching(/^\.venv@sha256:[0-9a-f]{64}$/),
      champion: '1',
      manifest: { files: 600 - (await world.json('history', 'digits'))[0].report.leftOut.duplicates },
    });

    // A picture that is in two classes.
    cpSync(
      join(world.root, 'data/digits/3', readdirSync(join(pictures, '3'))[0] as string),
      join(world.root, 'data/digits/4/a-three.png'),
    );
    const poisoned = await watcher.next('notified');
    expect(codeOf(poisoned)).toEqual(['rejected', 'conflicting-labels']);
    expect(poisoned.text).toContain('docs/runbook.md, conflicting-labels');
    rmSync(join(world.root, 'data/digits/4/a-three.png'));

    // A worse one: it has hardly learned anything.
    world.train({ epochs: 1, 'learning-rate': 0.0001 }, { minAccuracy: 0, minClassRecall: 0 });
    world.drop(60, 62);
    const worse = await watcher.next('judged');
    expect(worse.decision).toMatchObject({ outcome: 'reject', code: 'worse-than-live', live: '2' });
    expect(codeOf(await watcher.next('notified'))).toEqual(['rejected', 'worse-than-live']);

    // And a better one, of more pictures.
    world.train({ epochs: 8 });
    world.drop(62, 120);
    const better = await watcher.next('judged');
    expect(better.decision).toMatchObject({ outcome: 'promote', live: '2' });
    expect(better.decision.challenger?.accuracy).toBeGreaterThan(0.93);
    expect((await watcher.next('notified')).text).toContain('version: 3');
    await expect.poll(served).toBe('3');

    // Stopped from another terminal: the program ends, and the folder of models is as it was.
    world.train({ epochs: 10_000 });
    world.drop(120, 122);
    await watcher.next('training', ({ line }) => line.startsWith('epoch 1/'));
    expect((await world.json('status'))[0]).toMatchObject({
      model: 'digits',
      live: '3',
      running: { state: 'running' },
    });
    const stopped = await world.json('stop', 'digits');
    expect(stopped).toMatchObject({ state: 'stopped', reason: { text: expect.stringContaining('stopped it') } });
    expect(await world.run('stop', 'digits')).toMatchObject({
      code: 1,
      stderr: "retrain: 'digits' is not trained now\n",
    });

    // Started again once: it fails, and is redriven when the cause is gone.
    world.train({ epochs: 0 });
    expect(await world.json('start', 'digits', stopped.id)).toMatchObject([{ execution: `${stopped.id}-r1` }]);
    const failed = await watcher.next('notified');
    expect(codeOf(failed)).toEqual(['failed', 'training-failed']);
    expect(failed.text).toContain("--epochs: got '0', expected an integer from 1 to 10000");
    world.train({ epochs: 6 });
    expect(await world.json('redrive')).toMatchObject([{ id: stopped.id, execution: `${stopped.id}-r2` }]);
    expect(codeOf(await watcher.next('notified'))[0]).toMatch(/promoted|rejected/);
    expect(await world.json('redrive', 'digits')).toEqual([]);

    // Each end was told once, here or in the other terminal.
    const entries = (await world.json('history', 'digits')) as { id: string; state: string }[];
    expect(entries.map(({ state }) => state).slice(0, 4)).toEqual(['promoted', 'rejected', 'rejected', 'promoted']);
    expect(watcher.shown.filter(({ event }) => event === 'notified')).toHaveLength(6);
    expect(watcher.shown.filter(({ event }) => event === 'problem')).toEqual([]);
    expect(await watcher.end('SIGINT')).toBe(0);
  });
});

/** Processes that train for a folder of data. */
async function trainers({ seed }: World): Promise<number> {
  const { stdout } = await promisify(execFile)('ps', ['-A', '-o', 'args']);
  return stdout.split('\n').filter((line) => line.includes('train.py') && line.includes(`--seed ${seed}`)).length;
}

describe('a watch that ends', () => {
  test('by a signal: what it trains is stopped, and what has waited is trained after a restart', {
    timeout: 300_000,
  }, async () => {
    const world = new World();
    world.train({ epochs: 10_000 });
    world.drop(0, 30);
    const first = await world.watch();
    await first.next('training', ({ line }) => line.startsWith('epoch 1/'));
    world.drop(30, 60);
    const waiting = await first.next(
      'considered',
      (found) => found.outcome === 'accepted' && found.state === 'pending',
    );
    expect(await trainers(world)).toBe(1);
    expect(await first.end('SIGTERM')).toBe(0);
    expect(await trainers(world)).toBe(0);
    expect(codeOf(await first.next('notified'))).toEqual(['stopped', 'stopped']);
    expect(readdirSync(join(world.models, 'digits')).filter((name) => /^\d+$/.test(name))).toEqual(['1']);
    expect(readdirSync(join(world.work, 'staging/digits'))).toEqual([]);
    world.train({ epochs: 6 });
    const second = await world.watch();
    expect(await second.next('started')).toMatchObject({ execution: (waiting as { id?: string }).id });
    expect(codeOf(await second.next('notified'))).toEqual(['promoted', undefined]);
  });

  test('by kill -9: another one goes on where it was, from its checkpoint, and only one watches', {
    timeout: 300_000,
  }, async () => {
    const world = new World();
    world.train({ epochs: 40 });
    world.drop(0, 30);
    const first = await world.watch();
    await first.next('training', ({ line }) => line.startsWith('epoch 3/'));
    expect(await world.run('watch')).toMatchObject({ code: 1, stderr: expect.stringContaining('watches this folder') });
    await first.end('SIGKILL');
    // What it prints is read by nobody: it ends by itself.
    await expect.poll(() => trainers(world)).toBe(0);
    const second = await world.watch();
    expect(await second.next('started')).toMatchObject({ step: 'train' });
    await second.next('training', ({ line }) => /^goes on after \d+ epochs/.test(line));
    expect(codeOf(await second.next('notified'))[0]).toMatch(/promoted|rejected/);
    const [entry, ...more] = await world.json('history', 'digits');
    expect(more).toEqual([]);
    expect(readdirSync(join(world.work, 'staging/digits', entry.id))).toEqual(['output']);
  });
});
