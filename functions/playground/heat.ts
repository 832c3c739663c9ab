import type { Tensor } from '../protocol/tensor.ts';

export type Heat = { readonly rows: number; readonly columns: number; readonly values: Float64Array };

/** An attribution of a picture, summed over its colours. */
export function heatOf({ data, shape }: Tensor, channelsFirst: boolean): Heat {
  const [, a = 1, b = 1, c = 1] = shape;
  const [channels, rows, columns] = channelsFirst ? [a, b, c] : [c, a, b];
  const pixels = rows * columns;
  const values = new Float64Array(pixels);
  for (let pixel = 0; pixel < pixels; pixel++)
    for (let channel = 0; channel < channels; channel++) {
      const at = channelsFirst ? channel * pixels + pixel : pixel * channels + channel;
      values[pixel] = (values[pixel] as number) + Number(data[at]);
    }
  return { rows, columns, values };
}

/** What speaks for the answer is orange, what speaks against it blue; of no weight is white. */
const FOR = [230, 97, 1] as const;
const AGAINST = [38, 102, 207] as const;

/** Of each pixel red, green, blue and alpha; the strongest one in full colour. */
export function heatPixels({ values }: Heat): Uint8ClampedArray<ArrayBuffer> {
  const strongest = values.reduce((most, value) => Math.max(most, Math.abs(value)), 0) || 1;
  const pixels = new Uint8ClampedArray(values.length * 4);
  for (const [i, value] of values.entries()) {
    const colour = value >= 0 ? FOR : AGAINST;
    const share = Math.abs(value) / strongest;
    for (let channel = 0; channel < 3; channel++)
      pixels[i * 4 + channel] = Math.round(255 + ((colour[channel] as number) - 255) * share);
    pixels[i * 4 + 3] = 255;
  }
  return pixels;
}
