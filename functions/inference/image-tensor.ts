import type { Tensor } from '../protocol/tensor.ts';
import { ModelRejected } from './ports.ts';
import type { TensorSpec } from './serving-config.ts';

type Picture = { readonly width: number; readonly height: number; readonly rgb: Uint8Array };

/**
 * A picture as a model's input: FP32 from 0 to 1 or UINT8, NCHW or NHWC, of one channel (the mean) or three, as the
 * input's shape says.
 * @throws ModelRejected for an input that takes no pictures, or a picture of another size
 */
export function imageTensor({ name, datatype, shape }: TensorSpec, { width, height, rgb }: Picture): Tensor {
  const [batch, a = 0, b = 0, c = 0] = shape;
  const isChannelsFirst = a === 1 || a === 3;
  const channels = isChannelsFirst ? a : c;
  const [rows, columns] = isChannelsFirst ? [b, c] : [a, b];
  const takesPictures = shape.length === 4 && (batch === -1 || batch === 1) && (channels === 1 || channels === 3);
  if (!takesPictures || (datatype !== 'FP32' && datatype !== 'UINT8')) {
    throw new ModelRejected(
      `input '${name}' is ${datatype} [${shape}]; expected FP32 or UINT8 pictures, [-1, channels, rows, columns] or ` +
        '[-1, rows, columns, channels]',
    );
  }
  if ((rows !== -1 && rows !== height) || (columns !== -1 && columns !== width)) {
    throw new ModelRejected(`a picture has ${width} x ${height} pixels; expected ${columns} x ${rows}`);
  }
  const pixels = width * height;
  const data = new (datatype === 'FP32' ? Float32Array : Uint8Array)(pixels * channels);
  const scale = datatype === 'FP32' ? 1 / 255 : 1;
  for (let pixel = 0; pixel < pixels; pixel++) {
    for (let channel = 0; channel < channels; channel++) {
      const colour = rgb.subarray(pixel * 3, pixel * 3 + 3);
      const value =
        channels === 3
          ? (colour[channel] as number)
          : ((colour[0] as number) + (colour[1] as number) + (colour[2] as number)) / 3;
      data[isChannelsFirst ? channel * pixels + pixel : pixel * channels + channel] = value * scale;
    }
  }
  const dims = isChannelsFirst ? [1, channels, height, width] : [1, height, width, channels];
  return { name, datatype, shape: dims, data };
}
