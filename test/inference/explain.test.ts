// The parts of explanations that can be held against what is known without a model.

import { describe, expect, test } from 'vitest';
import { coalitions } from '../../functions/inference/explain/coalitions.ts';
import { Evaluations } from '../../functions/inference/explain/evaluations.ts';
import { elementRanges, gridOf, patches, slidingWindows } from '../../functions/inference/explain/grid.ts';
import { ConstrainedLeastSquares } from '../../functions/inference/explain/least-squares.ts';
import { DeadlineExceeded, ModelFailed } from '../../functions/protocol/errors.ts';
import type { Tensor } from '../../functions/protocol/tensor.ts';

type Game = (present: ReadonlySet<number>) => number;

/** Kernel SHAP of a game whose value without anybody is 0. */
function fitted(features: number, game: Game, samples: number, seed = 0): number[] {
  const fit = new ConstrainedLeastSquares(features);
  for (const { present, weight } of coalitions(features, samples, seed)) {
    fit.add(present, game(new Set(present)), weight);
  }
  return Array.from(fit.solve(game(new Set(Array(features).keys()))));
}

/** By definition: the mean of what a feature adds, over all orders in which the features may come. */
function shapley(features: number, game: Game): number[] {
  const values = Array<number>(features).fill(0);
  const factorial = (n: number): number => (n < 2 ? 1 : n * factorial(n - 1));
  for (let mask = 0; mask < 2 ** features; mask++) {
    const present = new Set(Array.from({ length: features }, (_, i) => i).filter((i) => mask & (1 << i)));
    const weight = (factorial(present.size) * factorial(features - present.size - 1)) / factorial(features);
    for (let i = 0; i < features; i++) {
      if (present.has(i)) continue;
      values[i] = (values[i] as number) + weight * (game(new Set([...present, i])) - game(present));
    }
  }
  return values;
}

/** Neighbours act together, and the largest of some counts. */
const game: Game = (present) => {
  let value = Math.max(0, ...Array.from(present, (i) => (i * 7) % 5));
  for (const i of present) value += (i + 1) / 4 + (present.has(i + 1) ? Math.sin(i) : 0);
  return value;
};

const worst = (a: readonly number[], b: readonly number[]): number =>
  Math.max(...a.map((value, i) => Math.abs(value - (b[i] as number))));

describe('Kernel SHAP', () => {
  test.each([1, 2, 3, 4, 7, 8])('of %d features with all coalitions has the Shapley values', (features) => {
    const all = coalitions(features, 2 ** features - 2, 0);
    expect(new Set(all.map(({ present }) => present.join())).size).toBe(2 ** features - 2);
    expect(worst(fitted(features, game, 2 ** features), shapley(features, game))).toBeLessThan(1e-10);
  });

  test('draws what it can not take all of: in pairs, repeatably, up to the number of samples', () => {
    const drawn = coalitions(20, 2_000, 1);
    const keys = new Set(drawn.map(({ present }) => present.join()));
    expect(keys.size).toBe(drawn.length);
    // All of one and of two features, and their complements: 40 and 380.
    expect(drawn.filter(({ present }) => [1, 2, 18, 19].includes(present.length))).toHaveLength(420);
    expect(drawn.length).toBeGreaterThan(420);
    expect(drawn.length).toBeLessThanOrEqual(2_000);
    const sum = drawn.reduce((total, { weight }) => total + weight, 0);
    expect(sum).toBeCloseTo(1, 10);
    for (const { present } of drawn) {
      const rest = Array.from({ length: 20 }, (_, i) => i).filter((i) => !present.includes(i));
      expect(keys).toContain(rest.join());
    }
    expect(coalitions(20, 2_000, 1)).toEqual(drawn);
    expect(coalitions(20, 2_000, 2)).not.toEqual(drawn);
  });

  test('comes closer with more samples, and sums up whatever their number', () => {
    const exact = shapley(13, game);
    const far = [1, 2, 3, 4].map((seed) => worst(fitted(13, game, 40, seed), exact));
    const near = [1, 2, 3, 4].map((seed) => worst(fitted(13, game, 4_000, seed), exact));
    expect(Math.max(...near)).toBeLessThan(0.05);
    expect(Math.max(...near)).toBeLessThan(Math.min(...far));
    const sum = fitted(13, game, 40).reduce((total, value) => total + value, 0);
    expect(sum).toBeCloseTo(game(new Set(Array(13).keys())), 10);
  });

  test('of fewer rows than features still sums up', () => {
    const fit = new ConstrainedLeastSquares(3);
    expect(Array.from(fit.solve(6), (value) => Math.round(value * 1e6) / 1e6)).toEqual([2, 2, 2]);
    fit.add(Uint16Array.of(0), 4, 1);
    expect(Array.from(fit.solve(6), (value) => Math.round(value * 1e3) / 1e3)).toEqual([4, 1, 1]);
  });
});

describe('windows', () => {
  const image = (shape: number[]): Tensor => ({
    name: 'image',
    datatype: 'FP32',
    shape,
    data: new Float32Array(shape.reduce((a, b) => a * b)),
  });
  const covered = (windows: ReturnType<typeof patches>): number[] => {
    const counts = Array<number>(windows[0]?.grid.tensor.data.length ?? 0).fill(0);
    for (const window of windows) {
      for (const [start, end] of elementRanges(window)) {
        for (let i = start; i < end; i++) counts[i] = (counts[i] as number) + 1;
      }
    }
    return counts;
  };

  test.each([
    [[1, 3, 5, 7], 'FORMAT_NCHW'],
    [[3, 5, 7], 'FORMAT_NCHW'],
    [[1, 5, 7, 3], 'FORMAT_NHWC'],
    [[1, 105], undefined],
  ])('of %j %s: patches cover each element once, sliding windows at least once', (shape, format) => {
    const grid = gridOf(image(shape), format);
    if (grid === undefined) throw new Error('an image is a grid');
    for (const patch of [1, 2, 3, 5]) {
      expect(new Set(covered(patches(grid, patch)))).toEqual(new Set([1]));
      for (let stride = 1; stride <= patch; stride++) {
        expect(Math.min(...covered(slidingWindows(grid, patch, stride)))).toBeGreaterThan(0);
      }
    }
  });

  test('a pixel goes with all its channels, in both layouts', () => {
    const first = (shape: number[], format: string): unknown[] => {
      const grid = gridOf(image(shape), format);
      const [window] = grid === undefined ? [] : patches(grid, 2);
      return window === undefined ? [] : [...elementRanges(window)];
    };
    expect(first([1, 2, 4, 4], 'FORMAT_NCHW')).toEqual([
      [0, 2],
      [4, 6],
      [16, 18],
      [20, 22],
    ]);
    expect(first([1, 4, 4, 2], 'FORMAT_NHWC')).toEqual([
      [0, 4],
      [8, 12],
    ]);
  });
});

describe('evaluations', () => {
  const item: Tensor[] = [{ name: 'x', datatype: 'FP32', shape: [1, 4], data: Float32Array.of(1, 2, 3, 4) }];
  const grid = gridOf(item[0] as Tensor, undefined);
  if (grid === undefined) throw new Error('a flat input is a grid');
  const features = patches(grid, 1);

  /** A model that sums up each row, and what was asked of it. */
  function watched(ms = 0) {
    const seen = { rows: [] as number[], mostAtOnce: 0 };
    let running = 0;
    const run = async ([tensor]: readonly Tensor[]): Promise<Tensor> => {
      seen.mostAtOnce = Math.max(seen.mostAtOnce, ++running);
      const { shape = [0], data } = (tensor ?? {}) as Partial<Tensor>;
      const rows = shape[0] ?? 0;
      seen.rows.push(rows);
      const ends = performance.now() + ms * rows;
      do await new Promise(setImmediate);
      while (performance.now() < ends);
      running--;
      const values = Float64Array.from({ length: rows }, (_, row) =>
        (data as Float32Array).slice(row * 4, row * 4 + 4).reduce((sum, value) => sum + value, 0),
      );
      return { name: 'y', datatype: 'FP64', shape: [rows, 1], data: values };
    };
    return { seen, run };
  }
  const evaluationsOf = (run: (inputs: readonly Tensor[]) => Promise<Tensor>, maxBatchSize: number, forMs = 60_000) =>
    new Evaluations({ run, item, background: 0, maxBatchSize, deadline: performance.now() + forMs });
  const all = async (evaluations: Evaluations, variants: number): Promise<number[]> => {
    const values: number[] = [];
    await evaluations.whole(() => 0);
    await evaluations.each(
      variants,
      (i) => [features[i % 4] as (typeof features)[number]],
      (i, value) => {
        expect(i).toBe(values.length);
        values.push(value);
      },
    );
    return values;
  };
  const expected = (variants: number): number[] => Array.from({ length: variants }, (_, i) => 10 - ((i % 4) + 1));

  test.each([
    [0, 1],
    [1, 1],
    [5, 4],
    [256, 32],
  ])(
    'of a model for batches of %d have at most %d rows, a power of two, one run after the other',
    async (maxBatchSize, most) => {
      const { seen, run } = watched();
      const evaluations = evaluationsOf(run, maxBatchSize);
      expect(await all(evaluations, 150)).toEqual(expected(150));
      expect(seen.rows.filter((rows) => ![1, 2, 4, 8, 16, 32].includes(rows))).toEqual([]);
      expect([Math.max(...seen.rows), seen.mostAtOnce, evaluations.isCut]).toEqual([most, 1, false]);
      expect(evaluations.count).toBe(seen.rows.reduce((sum, rows) => sum + rows, 0));
    },
  );

  test('of rows that change each other are made again, one at a time', async () => {
    const { seen, run } = watched();
    const mixed = async (inputs: readonly Tensor[]): Promise<Tensor> => {
      const output = await run(inputs);
      return { ...output, data: (output.data as Float64Array<ArrayBuffer>).map((value) => value * output.data.length) };
    };
    expect(await all(evaluationsOf(mixed, 8), 20)).toEqual(expected(20));
    expect(seen.rows.filter((rows) => rows > 1)).toHaveLength(1);
  });

  test('begin no run that would pass the deadline', async () => {
    const { run } = watched(20);
    const evaluations = evaluationsOf(run, 32, 1_000);
    const started = performance.now();
    const values = await all(evaluations, 500);
    expect(evaluations.isCut).toBe(true);
    expect(values.length).toBeGreaterThan(3);
    expect(values).toEqual(expected(values.length));
    expect(performance.now() - started).toBeLessThan(1_500);
  });

  test('that have no time for a second run are refused before it', async () => {
    const { seen, run } = watched(100);
    const evaluations = evaluationsOf(run, 32, 150);
    await evaluations.whole(() => 0);
    await expect(evaluations.without(features)).rejects.toThrow(DeadlineExceeded);
    expect(seen.rows).toEqual([1]);
  });

  test('end where a run passes the deadline all the same; other errors are the answer', async () => {
    const { run } = watched();
    const failing = (error: Error) => {
      let runs = 0;
      return (inputs: readonly Tensor[]): Promise<Tensor> => (++runs > 3 ? Promise.reject(error) : run(inputs));
    };
    const late = evaluationsOf(failing(new DeadlineExceeded('late')), 8);
    expect(await all(late, 100)).toEqual(expected(4 - 1 + 8));
    expect(late.isCut).toBe(true);
    await expect(all(evaluationsOf(failing(new ModelFailed('broken')), 8), 100)).rejects.toThrow('broken');
  });
});
