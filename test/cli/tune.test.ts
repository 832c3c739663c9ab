// `npm run models -- tune`: what is recommended of which figures, and the command as a process.

import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { CreateBucketCommand, S3Client } from '@aws-sdk/client-s3';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { cpusOf, MB_PER_VCPU } from '../../functions/adapters/lambda-cpu.ts';
import { usdPerMillion } from '../../functions/adapters/lambda-prices.ts';
import { CpuQuota } from '../../functions/cli/tune/cpu-quota.ts';
import { cellsOf, type Loading, type Measurements, type Result, resultOf } from '../../functions/cli/tune/measure.ts';
import { recommend } from '../../functions/cli/tune/recommend.ts';
import { adviceOf, disturbance } from '../../functions/cli/tune/report.ts';
import { type LocalAws, startLocalAws } from '../setup/local-aws.ts';

const ROOT = join(import.meta.dirname, '../..');
const folder = mkdtempSync(join(tmpdir(), 'serverless-onnx-tune-'));
afterAll(() => rmSync(folder, { recursive: true }));

/** Runs at sizes, by threads; and what else a measurement has. */
function measurements(sizes: { [memoryMb: number]: readonly number[] }, more: Partial<Made> = {}): Measurements {
  const { rows = { 1: 10 }, off = 11, peakMb = 200, sessionMs = [100, 90] } = more;
  const plain = { cpuMs: 1, how: 'measured' } as const;
  const results: Result[] = [
    ...Object.entries(sizes).flatMap(([memoryMb, runs]) =>
      runs.map((runMs, i) => ({
        ...plain,
        memoryMb: Number(memoryMb),
        threads: i + 1,
        prepacking: true,
        rows: 1,
        runMs,
      })),
    ),
    { ...plain, memoryMb: undefined, threads: 1, prepacking: false, rows: 1, runMs: off },
    ...Object.entries(rows).map(([count, runMs]) => {
      return { ...plain, memoryMb: undefined, threads: 1, prepacking: true, rows: Number(count), runMs };
    }),
  ];
  const [on, without] = sessionMs;
  const loadings: Loading[] = [
    { threads: 1, prepacking: true, sessionMs: on, peakMb },
    { threads: 1, prepacking: false, sessionMs: without, peakMb },
  ];
  return { results, loadings };
}

type Made = { rows: { [rows: number]: number }; off: number; peakMb: number; sessionMs: readonly [number, number] };

const bestOf = (found: Measurements, withinMs = Number.POSITIVE_INFINITY): number | undefined =>
  recommend(found, 'x86_64', withinMs, cpusOf, true).best?.memoryMb;

describe('memory', () => {
  // 100 ms of a vCPU: its cost is the same at each size below one vCPU, and the time is not.
  const slow = { 512: [346], 1769: [100], 3538: [98, 55] };

  test('the fastest of what costs about the same, and no more than makes it faster', () => {
    expect(bestOf(measurements(slow))).toBe(1769);
    expect(bestOf(measurements({ 1769: [100], 3538: [99, 48] }))).toBe(3538);
    expect(bestOf(measurements({ 512: [0.2], 1769: [0.05], 3538: [0.01, 0.05] }))).toBe(1769);
  });
  test('a limit on the time may cost more, and may be out of reach', () => {
    expect(bestOf(measurements(slow), 60)).toBe(3538);
    expect(bestOf(measurements(slow), 50)).toBeUndefined();
    const found = recommend(measurements(slow), 'x86_64', 50, cpusOf, true);
    expect(adviceOf(found, 50)[0]).toBe(
      'memory: none of these sizes has room for the model (328 MB) and answers within 50 ms',
    );
  });
  test('a size without room for the model is left out', () => {
    const { sizes, best, neededMb } = recommend(measurements(slow, { peakMb: 1_800 }), 'arm64', 1_000, cpusOf, true);
    expect([best?.memoryMb, neededMb, sizes.map(({ fits }) => fits)]).toEqual([3538, 1_928, [false, false, true]]);
  });
});

test('threads are the function’s own, unless another number is clearly faster', () => {
  expect([512, 1769, 2122, 2123, 3538, 3892, 10_240].map(cpusOf)).toEqual([1, 1, 1, 2, 2, 3, 6]);
  const ownOf = (runs: readonly number[]) => recommend(measurements({ 3538: runs }), 'x86_64', 1_000, cpusOf, true);
  expect(ownOf([10, 9.5]).ownThreads).toBeUndefined();
  expect(ownOf([9.5, 10])).toMatchObject({ ownThreads: undefined, best: { threads: 2, runMs: 10 } });
  expect(ownOf([8, 10])).toMatchObject({ ownThreads: 1, best: { threads: 1, runMs: 8 } });
  expect(adviceOf(ownOf([8, 10]), 1_000)[1]).toContain(
    'parameters { key: "intra_op_thread_count" value { string_value: "1" } }',
  );
});

test('prepacking goes where loading gets quicker and a run does not get slower', () => {
  const recommended = (more: Partial<Made>, own: boolean) =>
    recommend(measurements({ 1769: [10] }, more), 'x86_64', 1_000, cpusOf, own);
  const of = (more: Partial<Made>) => recommended(more, true).prepacking;
  expect(of({ sessionMs: [100, 50], off: 10.1 }).choice).toBe('off');
  expect(of({ sessionMs: [100, 90], off: 10.1 }).choice).toBe('on');
  expect(of({ sessionMs: [400, 40], off: 12 })).toMatchObject({ choice: 'on', evenAfter: 180 });
  expect(of({ sessionMs: [40, 400], off: 12 })).toMatchObject({ choice: 'on', evenAfter: 0 });
  const said = (more: Partial<Made>, own: boolean) => adviceOf(recommended(more, own), 1_000)[2];
  const line = (value: string) => `parameters { key: "session.disable_prepacking" value { string_value: "${value}" } }`;
  expect(said({ sessionMs: [100, 50], off: 10 }, true)).toContain(
    `off, which loads faster and runs as fast; in config.pbtxt ${line('1')}`,
  );
  expect(said({ sessionMs: [100, 90], off: 10 }, true)).toBe('prepacking: on');
  // A version that is loaded without by itself needs no reason to stay so.
  expect(said({ sessionMs: [100, 90], off: 10 }, false)).toBe('prepacking: off, as the version has it by itself');
  expect(said({ sessionMs: [100, 90], off: 12 }, false)).toContain(
    `on, which runs faster; in config.pbtxt ${line('0')}`,
  );
});

test('rows are worth it as long as a row gets a tenth cheaper', () => {
  const of = (rows: { [rows: number]: number }) =>
    recommend(measurements({ 1769: [10] }, { rows }), 'x86_64', 1_000, cpusOf, true).rows;
  expect(of({ 1: 10, 2: 12, 4: 20, 8: 39 })).toBe(4);
  expect(of({ 1: 10, 2: 20, 4: 40, 8: 80 })).toBe(1);
  // Two steps of less than a tenth are one of more.
  expect(of({ 1: 10, 2: 18.5, 4: 34 })).toBe(4);
});

test('a machine that does other things is told of', () => {
  const [first, ...others] = measurements({}).results;
  const of = (runMs: number, cpuMs: number) =>
    disturbance([first as Result, ...others.map((found) => ({ ...found, runMs, cpuMs }))]);
  expect(of(10, 9.5)).toBeUndefined();
  expect(of(10, 12)).toBeUndefined();
  expect(of(10, 6)).toContain('one thread waited 40 % of the time');
});

test('cost is of API Gateway, Lambda and the time; beside the model a request takes longer on less than a CPU', () => {
  expect(usdPerMillion(98, 1024, 'x86_64') - usdPerMillion(98, 1024, 'arm64')).toBeCloseTo(
    (98 + 2 * 1.7275) * 3.333e-3,
    3,
  );
  expect(usdPerMillion(98, 1769, 'x86_64')).toBeCloseTo(3.7 + 0.1 * 1.7275 * 16.6667, 2);
});

test('what is measured, and what is computed where CPUs can’t be limited', () => {
  const cells = cellsOf({ memories: [512, 3538], rows: [1, 8], cores: 2, seconds: 1 });
  expect(cells.filter(({ memoryMb }) => memoryMb === 512).map(({ threads }) => threads)).toEqual([1, 2]);
  expect(cells.filter(({ memoryMb }) => memoryMb === undefined)).toHaveLength(3);
  const cell = { threads: 1, prepacking: true, rows: 1, memoryMb: MB_PER_VCPU / 4 };
  const round = { runs: 1, runMs: 10, cpuMs: 8, peakMb: 1 };
  const rounds = [{ ...round, runMs: 30 }, round];
  expect(resultOf(cell, rounds, true, 2)).toMatchObject({ runMs: 10, how: 'measured' });
  expect(resultOf(cell, rounds, false, 2)).toMatchObject({ runMs: 32, how: 'computed' });
  expect(resultOf({ ...cell, memoryMb: 2 * MB_PER_VCPU }, rounds, false, 2)).toMatchObject({ how: 'measured' });
});

test('a process is held to a part of a CPU, where this system lets this user do that', async ({ skip }) => {
  const quota = await CpuQuota.open();
  if (quota === undefined) return skip('control groups of the CPU can not be made here');
  const child = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)']);
  const ended = once(child, 'exit');
  try {
    await quota.hold(child.pid ?? 0);
    const [, group = ''] = /:(\/.*serverless-onnx-.*)$/m.exec(readFileSync(`/proc/${child.pid}/cgroup`, 'utf8')) ?? [];
    const folder =
      [join('/sys/fs/cgroup/cpu', group), join('/sys/fs/cgroup', group)].find((path) => existsSync(path)) ?? '';
    const file =
      ['cpu.cfs_quota_us', 'cpu.max'].map((name) => join(folder, name)).find((path) => existsSync(path)) ?? '';
    await quota.set(0.29);
    expect(readFileSync(file, 'utf8')).toMatch(/^5800( 20000)?\n$/);
    await quota.set(undefined);
    expect(readFileSync(file, 'utf8')).toMatch(/^(-1|max 20000)\n$/);
    child.kill();
    await ended;
    await quota.remove();
    expect(existsSync(folder)).toBe(false);
  } finally {
    child.kill('SIGKILL');
    await quota.remove();
  }
});

type Ended = { code: number; stdout: string; stderr: string };

async function models(...args: string[]): Promise<Ended> {
  try {
    const command = [join(ROOT, 'functions/cli/models.ts'), ...args];
    return { code: 0, ...(await promisify(execFile)(process.execPath, command, { cwd: ROOT })) };
  } catch (error) {
    return error as Ended;
  }
}

describe('as a process', () => {
  let aws: LocalAws;
  beforeAll(async () => {
    aws = await startLocalAws();
    Object.assign(process.env, aws.env, { XDG_CACHE_HOME: join(folder, 'cache') });
    await new S3Client({ forcePathStyle: true }).send(new CreateBucketCommand({ Bucket: 'tune' }));
  });
  afterAll(() => aws.stop());

  test('the digits from S3, by their golden request', async () => {
    const at = 's3://tune/models';
    expect((await models('push', at, 'digits')).code).toBe(0);
    const plot = join(folder, 'plot.svg');
    const quick = ['--seconds', '1', '--memory', '512,1769', '--rows', '8', '--plot', plot];
    const { code, stdout } = await models('tune', 'digits', ...quick, '-r', at, '--json');
    expect(code).toBe(0);
    const found = JSON.parse(stdout) as Measurements & { best: number; isLimited: boolean; rows: number };
    expect(found.best === 512 || found.best === 1769).toBe(true);
    expect(found.results).toHaveLength(2 * Math.min(2, availableParallelism()) + 3);
    for (const { runMs, cpuMs } of found.results) expect(Math.min(runMs, cpuMs)).toBeGreaterThan(0);
    // A function of 512 MB has 0.29 of a CPU: limited, a run takes no more of its time; or so it is computed.
    const [small] = found.results.filter(({ memoryMb, threads }) => memoryMb === 512 && threads === 1);
    expect(small?.how).toBe(found.isLimited ? 'measured' : 'computed');
    expect((small?.cpuMs ?? 0) / (small?.runMs ?? 0)).toBeLessThan(0.29 * 1.5);
    for (const { sessionMs, peakMb } of found.loadings) {
      expect(sessionMs).toBeGreaterThan(0);
      expect(peakMb).toBeGreaterThan(50);
    }
    const svg = readFileSync(plot, 'utf8');
    expect(svg).toMatch(/^<svg .*USD per million requests.*<\/svg>\n$/s);
    expect(svg).not.toMatch(/NaN|Infinity|undefined/);
    // A point for each run, one for the cost of each size, and one for the best.
    expect(svg.match(/<circle /g)).toHaveLength(2 * Math.min(2, availableParallelism()) + 2 + 1);
  });

  test('a model of integers without a golden request or configuration, for people', async () => {
    const repository = join(folder, 'models');
    cpSync(join(inject('repository'), 'lookup'), join(repository, 'lookup'), { recursive: true });
    const { code, stdout, stderr } = await models(
      'tune',
      'lookup',
      '--seconds',
      '1',
      '--memory',
      '1769',
      '-r',
      repository,
    );
    expect([code, stderr]).toEqual([
      0,
      expect.stringContaining('measuring for about 1 s, on a machine that should be idle\n'),
    ]);
    expect(stdout).toMatch(/1769 MB +1\.00 .* best.*prepacking.*rows of a request.*memory: "memoryMb": 1769/s);
    expect(stdout).toContain('threads: 1');
    expect(stdout).not.toMatch(/NaN|Infinity|undefined/);
  });

  test.each([
    [1, ['nothing'], "'nothing' is not found"],
    [2, ['digits', '--memory', '64'], "--memory is '64'; expected 128 to"],
    [2, ['digits', '--rows', '512', '--seconds', '1'], '--rows has 512; expected at most 256'],
    [2, ['digits', '--architecture', 'mips'], "--architecture is 'mips'; expected x86_64 or arm64"],
    [2, ['digits', '--plot', '/no/such/folder/p.svg'], "--plot is '/no/such/folder/p.svg'; expected a file"],
  ])('exit code %d for %j', async (expected, args, sentence) => {
    const { code, stderr } = await models('tune', ...args);
    expect([code, stderr]).toEqual([expected, expect.stringContaining(sentence)]);
  });
});
