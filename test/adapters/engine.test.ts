import { execFileSync } from 'node:child_process';
import { getPriority } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { IsolatedEngine } from '../../functions/adapters/isolated-engine.ts';
import { LanedEngine } from '../../functions/adapters/laned-engine.ts';
import type { Computed, LoadedModel } from '../../functions/inference/ports.ts';
import { DeadlineExceeded, InvalidRequest, Overloaded } from '../../functions/protocol/errors.ts';
import type { Tensor } from '../../functions/protocol/tensor.ts';
import { privateMb, treeOf } from '../bench/processes.ts';

const killed: object[] = [];
const log = {
  info: () => {},
  warn: (fields: object) => void killed.push(fields),
  error: () => {},
};

const settings = { processes: 2, maxQueue: 4, loadTimeoutMs: 30_000 };
/** By default so late that a busy machine is done by then. */
const soon = (ms = 60_000): number => performance.now() + ms;
const path = (model: string): string => join(inject('repository'), model, '1', 'model.onnx');
const load = (engine: IsolatedEngine | LanedEngine, model: string): Promise<LoadedModel> =>
  engine.load({ model, version: '1' }, path(model), {});

const ones = (name: string, shape: number[]): Tensor => ({
  name,
  datatype: 'FP32',
  shape,
  data: new Float32Array(shape.reduce((a, b) => a * b, 1)).fill(1),
});

/** Runs a model on ones of the shape of its first input. */
function runOnes(model: LoadedModel, deadline: number): Promise<Computed> {
  const [input] = model.inputs;
  if (input === undefined) throw new Error('no input');
  const shape = input.shape.map((dim) => (dim === -1 ? 1 : dim));
  return model.run(
    [ones(input.name, shape)],
    model.outputs.map(({ name }) => name),
    deadline,
  );
}

describe('the isolated lane', () => {
  let engine: IsolatedEngine;
  beforeAll(() => {
    engine = new IsolatedEngine(settings, log);
  });
  afterAll(() => engine.close());

  const onLinux = test.runIf(process.platform === 'linux');

  onLinux('requests leave nothing in the process that computed them, which gives way to the server', async () => {
    const before = new Set(treeOf(process.pid));
    const own = new IsolatedEngine({ ...settings, processes: 1 }, log);
    const planted = await load(own, 'planted');
    const input = ones('INPUT0', [1_000, 1, 16, 16]);
    const ask = () => planted.run([input], ['OUTPUT0'], soon());
    await ask();
    const children = treeOf(process.pid).filter((pid) => !before.has(pid));
    expect(children.map((pid) => getPriority(pid))).toEqual([Math.min(19, getPriority() + 5)]);
    const memory = (): number => children.reduce((sum, pid) => sum + privateMb(pid), 0);
    const first = memory();
    for (let i = 0; i < 60; i++) await ask();
    // 60 MB have come.
    expect(memory() - first).toBeLessThan(25);
    await own.close();
  });

  test('an endless model is killed at the deadline, in every process it may use, and no neighbour waits', async () => {
    const endless = await load(engine, 'endless_loop');
    const neighbour = await load(engine, 'identity_fp32');
    killed.length = 0;
    let ended = 0;
    const hanging = [1, 2, 3].map(() =>
      runOnes(endless, soon(15_000))
        .catch((error: unknown) => error)
        .finally(() => ended++),
    );
    // The first answer comes from a new process, which takes its time to start beside those that never rest.
    for (let answered = 0; answered < 30; answered++) await runOnes(neighbour, soon());
    expect(ended).toBe(0);
    for (const result of await Promise.all(hanging)) {
      expect(result).toBeInstanceOf(DeadlineExceeded);
      expect((result as Error).message).toMatch(/'endless_loop' did not answer within \d+ ms/);
    }
    expect(killed.length).toBe(2);
    expect((await runOnes(neighbour, soon())).outputs).toHaveLength(1);
    // The killed processes are replaced, and the model is loaded there again.
    expect(await runOnes(endless, soon(500)).catch((error: unknown) => error)).toBeInstanceOf(DeadlineExceeded);
  });

  test('a full queue refuses the next request and loses none of the others', async () => {
    const slow = await load(engine, 'slow_matmul');
    const results = await Promise.all(Array.from({ length: 10 }, () => runOnes(slow, soon()).catch((e: unknown) => e)));
    const refused = results.filter((result) => result instanceof Overloaded);
    // One or two processes compute (one may just be replaced after the test before), four requests wait.
    expect(refused.length).toBeOneOf([4, 5]);
    expect(refused[0]).toMatchObject({ status: 503, retryAfter: 1 });
    expect(results.filter((result) => 'outputs' in (result as object))).toHaveLength(10 - refused.length);
  });

  test('a request that waits too long gets its answer at its deadline, and costs nothing', async () => {
    const slow = await load(engine, 'slow_matmul');
    killed.length = 0;
    const first = [runOnes(slow, soon()), runOnes(slow, soon())];
    await expect(runOnes(slow, soon(5))).rejects.toThrow(DeadlineExceeded);
    await Promise.all(first);
    expect(killed).toEqual([]);
  });

  test('megabytes go there and back unchanged', async () => {
    const model = await load(engine, 'identity_fp32');
    const data = Float32Array.from({ length: 3_000_000 }, (_, i) => i / 7);
    const input: Tensor = { name: 'INPUT0', datatype: 'FP32', shape: [3, 1_000_000], data };
    const { outputs } = await model.run([input], ['OUTPUT0'], soon());
    const back = outputs[0]?.data as Float32Array;
    expect(outputs[0]?.shape).toEqual([3, 1_000_000]);
    expect(Buffer.from(back.buffer, back.byteOffset, back.byteLength).equals(Buffer.from(data.buffer))).toBe(true);
  });

  test('outputs above the limit are refused, and the process lives on', async () => {
    const model = await load(engine, 'expand');
    const [shapeInput] = model.inputs.filter(({ datatype }) => datatype === 'INT64');
    const others = model.inputs.filter((input) => input !== shapeInput);
    const run = (rows: bigint): Promise<Computed> =>
      model.run(
        [
          { name: shapeInput?.name ?? '', datatype: 'INT64', shape: [2], data: new BigInt64Array([rows, 1024n]) },
          ...others.map(({ name, shape }) =>
            ones(
              name,
              shape.map((dim) => Math.max(1, dim)),
            ),
          ),
        ],
        model.outputs.map(({ name }) => name),
        soon(),
      );
    expect((await run(2n)).outputs[0]?.shape).toEqual([2, 1024]);
    await expect(run(300_000n)).rejects.toThrow(/outputs take 1228800000 bytes; expected at most/);
    expect((await run(3n)).outputs[0]?.shape).toEqual([3, 1024]);
  });

  test('a process that is killed from outside costs its own request only', async () => {
    const slow = await load(engine, 'slow_matmul');
    const before = children();
    const running = Array.from({ length: 2 }, () => runOnes(slow, soon()).catch((error: unknown) => error));
    for (const pid of before) process.kill(pid, 'SIGKILL');
    // Where only one process had started by then, the second request was still waiting, and is answered by the next one.
    const failed = (await Promise.all(running)).filter((result) => !('outputs' in (result as object)));
    expect(failed.length).toBeGreaterThan(0);
    for (const error of failed) {
      expect(error).toMatchObject({
        status: 500,
        message: expect.stringContaining('ended unexpectedly (signal SIGKILL)'),
      });
    }
    expect((await runOnes(slow, soon())).outputs).toHaveLength(1);
  });

  test('a broken file is refused with a reason that holds no path', async () => {
    const reason = await load(engine, 'corrupt').catch((error: Error) => error.message);
    expect(reason).toBe('the model file is no ONNX model');
    expect(reason).not.toContain(inject('repository'));
  });

  test('after unload the same file can be loaded again', async () => {
    const model = await load(engine, 'identity_fp32');
    await runOnes(model, soon());
    await model.unload();
    expect((await runOnes(await load(engine, 'identity_fp32'), soon())).outputs).toHaveLength(1);
  });
});

describe('the choice of the lane', () => {
  let engine: LanedEngine;
  beforeAll(() => {
    engine = new LanedEngine(new IsolatedEngine(settings, log));
  });
  afterAll(() => engine.close());

  /** Only the inline lane needs no time to hand tensors over. */
  const isInline = ({ timing }: Computed): boolean => timing.input === 0 && timing.output === 0;

  test('a fast model without control flow earns the inline lane, shape by shape', async () => {
    const model = await load(engine, 'identity_fp32');
    const run = (rows: number): Promise<Computed> => model.run([ones('INPUT0', [rows, 8])], ['OUTPUT0'], soon());
    expect(isInline(await run(5))).toBe(false);
    let runs = 1;
    while (!isInline(await run(5))) expect(++runs).toBeLessThan(1_000);
    expect((await run(5)).outputs[0]?.data).toEqual(new Float32Array(40).fill(1));
    expect(isInline(await run(6))).toBe(false);
  });

  test('what else the process does before an inline run is waiting, and costs the model nothing', async () => {
    const model = await load(engine, 'identity_fp32');
    const run = (): Promise<Computed> => model.run([ones('INPUT0', [7, 8])], ['OUTPUT0'], soon());
    let runs = 0;
    while (!isInline(await run())) expect(++runs).toBeLessThan(1_000);
    for (let round = 0; round < 4; round++) {
      const running = run();
      const until = performance.now() + 60;
      while (performance.now() < until);
      const computed = await running;
      expect(isInline(computed)).toBe(true);
      expect(computed.timing.queue).toBeGreaterThanOrEqual(60);
      expect(computed.timing.infer).toBeLessThan(60);
    }
  });

  test.each(['endless_loop', 'expand', 'slow_matmul'])('%s never does', async (name) => {
    const model = await load(engine, name);
    if (name === 'slow_matmul') {
      for (let i = 0; i < 5; i++) expect(isInline(await runOnes(model, soon()))).toBe(false);
    } else {
      expect(await runOnes(model, soon(300)).catch((error: Error) => error)).toSatisfy(
        (result) =>
          result instanceof DeadlineExceeded || result instanceof InvalidRequest || !isInline(result as Computed),
      );
    }
  });
});

/** The process ids of this process's children. */
function children(): number[] {
  return execFileSync('pgrep', ['-P', String(process.pid)], { encoding: 'utf8' })
    .trim()
    .split('\n')
    .map(Number);
}

test('a model that is unloaded while it computes still answers, in both lanes', async () => {
  const engine = new LanedEngine(new IsolatedEngine(settings, log));
  for (const name of ['identity_fp32', 'slow_matmul']) {
    for (let round = 0; round < 20; round++) {
      const model = await load(engine, name);
      const runs = Array.from({ length: 3 }, () => runOnes(model, soon()));
      await model.unload();
      for (const { outputs } of await Promise.all(runs)) expect(outputs).toHaveLength(1);
      if (name === 'slow_matmul') break;
    }
  }
  await engine.close();
});
