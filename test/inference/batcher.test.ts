import { expect, test } from 'vitest';
import { BatchingModel } from '../../functions/inference/batcher.ts';
import type { Computed, LoadedModel } from '../../functions/inference/ports.ts';
import type { Tensor } from '../../functions/protocol/tensor.ts';

const SETTINGS = { model: 'm', maxBatchSize: 16, preferred: [16], maxDelayMs: 0, maxQueue: 100 };

const row = (value: number): Tensor => ({ name: 'x', datatype: 'FP32', shape: [1, 1], data: Float32Array.of(value) });

/** The identity, which may compute twice at once: a run ends when the test says so, and took so many milliseconds. */
class Identity implements LoadedModel {
  readonly inputs = [{ name: 'x', datatype: 'FP32', shape: [-1, 1] }] as const;
  readonly outputs = this.inputs;
  readonly pending = 0;
  /** The rows of each run that was started. */
  readonly started: number[] = [];
  readonly #ends: ((ms: number) => void)[] = [];

  capacity(): number {
    return 2;
  }

  run(inputs: readonly Tensor[]): Promise<Computed> {
    this.started.push(inputs[0]?.shape[0] ?? 0);
    return new Promise((resolve) => {
      this.#ends.push((infer) => resolve({ outputs: inputs, timing: { queue: 0, input: 0, infer, output: 0 } }));
    });
  }

  /** Ends the oldest run. */
  async end(ms: number): Promise<void> {
    this.#ends.shift()?.(ms);
    await new Promise(setImmediate);
  }

  async unload(): Promise<void> {}
}

/** The identity with batching, once its first run has taken so many milliseconds. */
async function batched(ms: number) {
  const identity = new Identity();
  const model = new BatchingModel(identity, SETTINGS);
  const ask = (value: number): Promise<Computed> => model.run([row(value)], ['x'], performance.now() + 60_000);
  const first = ask(0);
  await identity.end(ms);
  await first;
  return { identity, ask };
}

const answered = ({ outputs }: Computed): unknown => outputs[0]?.data[0];

test('a quick model has one run at a time, and what waits meanwhile is the next one', async () => {
  const { identity, ask } = await batched(0.1);
  const all = [1, 2, 3, 4].map(ask);
  expect(identity.started).toEqual([1, 1]);
  await identity.end(0.1);
  expect(identity.started).toEqual([1, 1, 3]);
  await identity.end(0.3);
  expect((await Promise.all(all)).map(answered)).toEqual([1, 2, 3, 4]);
});

test('a run of a quick model that is not over soon keeps nobody waiting', async () => {
  const { identity, ask } = await batched(0.1);
  const [hanging, others] = [ask(1), [2, 3].map(ask)];
  await expect.poll(() => identity.started).toEqual([1, 1, 2]);
  // The hanging one, and then theirs.
  await identity.end(5_000);
  await identity.end(0.2);
  expect((await Promise.all([hanging, ...others])).map(answered)).toEqual([1, 2, 3]);
});

test('another model computes as often at once as it may', async () => {
  const { identity, ask } = await batched(30);
  const all = [1, 2, 3, 4].map(ask);
  expect(identity.started).toEqual([1, 1, 1]);
  await identity.end(30);
  expect(identity.started).toEqual([1, 1, 1, 2]);
  await identity.end(30);
  await identity.end(60);
  expect((await Promise.all(all)).map(answered)).toEqual([1, 2, 3, 4]);
});
