import type { TensorMetadata } from '../protocol/messages.ts';
import type { Tensor } from '../protocol/tensor.ts';

/** Where a pen went, in parts of the drawing area's side; one point is a dot. */
export type Stroke = readonly (readonly [x: number, y: number])[];

export type Layout = { readonly channelsFirst: boolean; readonly channels: number; rows: number; columns: number };

/** Of a model that takes pictures of any size, those of a drawing. */
const ANY_SIDE = 224;

/**
 * How a model's input holds a picture; undefined where it takes none that this page can make.
 * @param format what the model's configuration says of the input
 */
export function layoutOf({ datatype, shape }: TensorMetadata, format: string | undefined): Layout | undefined {
  if (format !== 'FORMAT_NCHW' && format !== 'FORMAT_NHWC') return undefined;
  const channelsFirst = format === 'FORMAT_NCHW';
  const [batch, a = 0, b = 0, c = 0] = shape;
  const [channels, rows, columns] = channelsFirst ? [a, b, c] : [c, a, b];
  const fits = shape.length === 4 && (batch === -1 || batch === 1) && (channels === 1 || channels === 3);
  if (!fits || (datatype !== 'FP32' && datatype !== 'UINT8')) return undefined;
  return { channelsFirst, channels, rows: rows === -1 ? ANY_SIDE : rows, columns: columns === -1 ? ANY_SIDE : columns };
}

/**
 * The strokes moved and scaled so that their ink, drawn with a pen of this width, fills the height of the area, in its
 * middle; or its width, where that is reached first. All lengths are parts of the area's side.
 * @param maxWidth of the ink; what is wider is squeezed
 */
export function centred(strokes: readonly Stroke[], pen: number, maxWidth: number): readonly Stroke[] {
  const points = strokes.flat();
  if (points.length === 0) return strokes;
  const [xs, ys] = [points.map(([x]) => x), points.map(([, y]) => y)];
  const [left, right, top, bottom] = [Math.min(...xs), Math.max(...xs), Math.min(...ys), Math.max(...ys)];
  const [width, height] = [right - left, bottom - top];
  // A dot stays one.
  const scale = Math.max(width, height) < MIN_EXTENT ? 1 : (1 - pen) / Math.max(width, height);
  const across = Math.min(scale, width < MIN_EXTENT ? scale : (maxWidth - pen) / width);
  return strokes.map((stroke) =>
    stroke.map(([x, y]) => [0.5 + (x - (left + right) / 2) * across, 0.5 + (y - (top + bottom) / 2) * scale] as const),
  );
}

/**
 * As `centred`, for scans as those of NIST's forms: upright, narrow, and all with about the same share of ink, for which
 * the pen is chosen.
 */
export function likeNist(strokes: readonly Stroke[]): { strokes: readonly Stroke[]; pen: number } {
  let pen = NIST_PEN.first;
  for (let round = 0; round < 3; round++) {
    pen = Math.min(NIST_PEN.max, Math.max(NIST_PEN.min, NIST_INK / lengthOf(centred(strokes, pen, NIST_WIDTH))));
  }
  return { strokes: centred(strokes, pen, NIST_WIDTH), pen };
}

/** Measured of the training data: 0.30 of the area is ink, and the outermost two of eight columns hold little. */
const NIST_INK = 0.3;
const NIST_WIDTH = 0.76;
const NIST_PEN = { min: 0.13, max: 0.26, first: 0.18 };
/** What is smaller is a dot. */
const MIN_EXTENT = 0.02;

function lengthOf(strokes: readonly Stroke[]): number {
  let length = 0;
  for (const stroke of strokes) {
    for (const [i, [x, y]] of stroke.entries()) {
      const [fromX, fromY] = stroke[i - 1] ?? [x, y];
      length += Math.hypot(x - fromX, y - fromY);
    }
  }
  return length;
}

/**
 * The mean of each block of a drawing, as a scanner of fewer pixels sees it.
 * @param ink 0 to 255 of each pixel, row by row
 * @param levels how many steps of ink are told apart, where the training data had few
 * @returns 0 to 255 of each of rows x columns blocks
 */
export function scanned(
  ink: ArrayLike<number>,
  width: number,
  rows: number,
  columns: number,
  levels?: number,
): Float64Array {
  const block = width / columns;
  const result = new Float64Array(rows * columns);
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) {
      let sum = 0;
      for (let y = row * block; y < (row + 1) * block; y++)
        for (let x = column * block; x < (column + 1) * block; x++) sum += ink[y * width + x] as number;
      const mean = sum / (block * block);
      result[row * columns + column] = levels === undefined ? mean : (Math.round((mean / 255) * levels) * 255) / levels;
    }
  }
  return result;
}

/** Grey pixels (0 to 255) as red, green and blue. */
export function coloured(grey: ArrayLike<number>): Float64Array {
  return Float64Array.from({ length: grey.length * 3 }, (_, i) => grey[Math.floor(i / 3)] as number);
}

/** Red, green, blue and alpha of each pixel, row by row, 0 to 255. */
export type PixelImage = {
  readonly width: number;
  readonly height: number;
  readonly data: Uint8ClampedArray<ArrayBuffer>;
};

/** A picture's tensor as 8-bit red, green, blue and alpha of each pixel: what the model is shown. */
export function pixelsOf({ data, datatype, shape }: Tensor, channelsFirst: boolean): PixelImage {
  const [, a = 1, b = 1, c = 1] = shape;
  const [channels, rows, columns] = channelsFirst ? [a, b, c] : [c, a, b];
  const image = { width: columns, height: rows, data: new Uint8ClampedArray(columns * rows * 4) };
  const values = data as ArrayLike<number>;
  for (let pixel = 0; pixel < rows * columns; pixel++) {
    for (let colour = 0; colour < 3; colour++) {
      const channel = channels === 3 ? colour : 0;
      const value = values[channelsFirst ? channel * rows * columns + pixel : pixel * channels + channel] as number;
      image.data[pixel * 4 + colour] = datatype === 'UINT8' ? value : Math.round(value * 255);
    }
    image.data[pixel * 4 + 3] = 255;
  }
  return image;
}
