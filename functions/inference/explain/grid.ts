import { DATATYPES, type NumericArray } from '../../protocol/datatypes.ts';
import { elementCount, type Tensor } from '../../protocol/tensor.ts';

/** A numeric input as pixels: an image, or a flat input, whose elements are the pixels of one line. */
export type Grid = {
  readonly tensor: Tensor & { readonly data: NumericArray };
  readonly isImage: boolean;
  readonly isChannelsLast: boolean;
  readonly channels: number;
  readonly height: number;
  readonly width: number;
};

/** A rectangle of a grid's pixels, with all their channels. */
export type Window = {
  readonly grid: Grid;
  readonly top: number;
  readonly left: number;
  readonly height: number;
  readonly width: number;
};

/** Undefined for BYTES, of which nothing can be taken away. @param format of config.pbtxt */
export function gridOf(tensor: Tensor, format: string | undefined): Grid | undefined {
  if (DATATYPES[tensor.datatype].kind === 'bytes') return undefined;
  const numeric = tensor as Grid['tensor'];
  const [a = 1, b = 1, c = 1] = tensor.shape.slice(-3);
  const isImage = (format === 'FORMAT_NCHW' || format === 'FORMAT_NHWC') && a * b * c === elementCount(tensor.shape);
  if (!isImage || tensor.shape.length < 3) {
    const width = numeric.data.length;
    return { tensor: numeric, isImage: false, isChannelsLast: false, channels: 1, height: 1, width };
  }
  const isChannelsLast = format === 'FORMAT_NHWC';
  const [channels, height, width] = isChannelsLast ? [c, a, b] : [a, b, c];
  return { tensor: numeric, isImage, isChannelsLast, channels, height, width };
}

/** The patches of `patch` pixels a side that cover a grid; those at the far edges may be smaller. */
export function patches(grid: Grid, patch: number): Window[] {
  const found: Window[] = [];
  for (let top = 0; top < grid.height; top += patch) {
    for (let left = 0; left < grid.width; left += patch) {
      const height = Math.min(patch, grid.height - top);
      found.push({ grid, top, left, height, width: Math.min(patch, grid.width - left) });
    }
  }
  return found;
}

/** The places of a window of `patch` pixels a side that moves by `stride`; the last ones end at the far edges. */
export function slidingWindows(grid: Grid, patch: number, stride: number): Window[] {
  const height = Math.min(patch, grid.height);
  const width = Math.min(patch, grid.width);
  const starts = (length: number, window: number): number[] => {
    const last = length - window;
    return [...Array.from({ length: Math.ceil(last / stride) }, (_, i) => i * stride), last];
  };
  return starts(grid.height, height).flatMap((top) =>
    starts(grid.width, width).map((left) => ({ grid, top, left, height, width })),
  );
}

/** The ranges of a window's elements, row-major: from the first one up to, but without, the second one. */
export function* elementRanges({ grid, top, left, height, width }: Window): Iterable<readonly [number, number]> {
  const isLast = grid.isChannelsLast;
  const planes = isLast ? 1 : grid.channels;
  const step = isLast ? grid.channels : 1;
  for (let plane = 0; plane < planes; plane++) {
    for (let row = top; row < top + height; row++) {
      const start = ((plane * grid.height + row) * grid.width + left) * step;
      yield [start, start + width * step];
    }
  }
}

/** How many elements a window has. */
export function windowSize({ grid, height, width }: Window): number {
  return grid.channels * height * width;
}
