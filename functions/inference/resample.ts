import type { Picture } from './image-tensor.ts';

/**
 * A picture with another number of pixels, resampled as the training program does it (functions/train/data.py): bilinear
 * with half-pixel centres. The centre of output pixel i lies at (i + 1/2) · size / newSize in the input; beyond the
 * outermost centres the border value goes on.
 * @param width 1 or more
 * @param height 1 or more
 */
export function resample({ width: oldWidth, height: oldHeight, rgb }: Picture, width: number, height: number): Picture {
  const rows = places(oldHeight, height);
  const columns = places(oldWidth, width);
  const result = new Float64Array(width * height * 3);
  let at = 0;
  for (const [top, bottom, down] of rows) {
    for (const [left, right, across] of columns) {
      for (let colour = 0; colour < 3; colour++) {
        const value = (row: number, column: number): number => rgb[(row * oldWidth + column) * 3 + colour] as number;
        const above = value(top, left) * (1 - across) + value(top, right) * across;
        const below = value(bottom, left) * (1 - across) + value(bottom, right) * across;
        result[at++] = above * (1 - down) + below * down;
      }
    }
  }
  return { width, height, rgb: result };
}

/** Of every output pixel: the two input pixels that it lies between, and the second one's share. */
function places(size: number, newSize: number): (readonly [lower: number, upper: number, share: number])[] {
  return Array.from({ length: newSize }, (_, i) => {
    const centre = Math.min(Math.max(((i + 0.5) * size) / newSize - 0.5, 0), size - 1);
    const lower = Math.min(Math.floor(centre), Math.max(size - 2, 0));
    return [lower, Math.min(lower + 1, size - 1), centre - lower] as const;
  });
}
