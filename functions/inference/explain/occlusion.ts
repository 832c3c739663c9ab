import type { Evaluations } from './evaluations.ts';
import { elementRanges, type Grid, slidingWindows, type Window } from './grid.ts';
import { randomNumbers, shuffle } from './random-numbers.ts';

/**
 * Occlusion sensitivity: a window moves over the input, and what it covers is replaced by the background. An element's
 * attribution is the mean of `value − value without the window` over the windows that cover it; 0 where none was evaluated.
 *
 * @param value the output for the whole input
 * @returns for each grid, in the order of its elements
 */
export async function occlusion(
  evaluations: Evaluations,
  windows: readonly Window[],
  grids: readonly Grid[],
  value: number,
  seed: number,
): Promise<Float64Array[]> {
  const sums = grids.map(({ tensor }) => new Float64Array(tensor.data.length));
  const counts = grids.map(({ tensor }) => new Uint32Array(tensor.data.length));
  // Where the deadline comes first, all of the image is looked at, if coarsely.
  const order = shuffle([...windows], randomNumbers(seed));
  await evaluations.each(
    order.length,
    (i) => [order[i] as Window],
    (i, without) => {
      const window = order[i] as Window;
      const at = grids.indexOf(window.grid);
      for (const [start, end] of elementRanges(window)) {
        addTo(sums[at] as Float64Array, start, end, value - without);
        addTo(counts[at] as Uint32Array, start, end, 1);
      }
    },
  );
  return sums.map((sum, at) => sum.map((total, i) => total / Math.max(1, counts[at]?.[i] ?? 0)));
}

/** The windows of all grids. */
export function occlusionWindows(grids: readonly Grid[], patchOf: (grid: Grid) => number, stride?: number): Window[] {
  return grids.flatMap((grid) => {
    const patch = patchOf(grid);
    return slidingWindows(grid, patch, Math.min(stride ?? defaultStride(patch), patch));
  });
}

/** Each pixel is in four windows, but at the edges. */
export function defaultStride(patch: number): number {
  return Math.ceil(patch / 2);
}

function addTo(values: Float64Array | Uint32Array, start: number, end: number, more: number): void {
  for (let i = start; i < end; i++) values[i] = (values[i] as number) + more;
}
