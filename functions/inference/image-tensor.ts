import type { TensorMetadata } from '../protocol/messages.ts';
import type { Tensor } from '../protocol/tensor.ts';
import { ModelRejected } from './ports.ts';
import { resample } from './resample.ts';

/** Red, green and blue of each pixel, row by row, from 0 to 255. */
export type Picture = { readonly width: number; readonly height: number; readonly rgb: Uint8Array | Float64Array };

type Layout = {
  readonly isChannelsFirst: boolean;
  readonly channels: number;
  /** -1: any. */
  readonly rows: number;
  readonly columns: number;
};

/**
 * A picture as a model's input: FP32 from 0 to 1 or UINT8, NCHW or NHWC, of one channel (the mean) or three, as the
 * input's shape says.
 * @throws ModelRejected for an input that takes no pictures, or a picture of another size
 */
export function imageTensor(spec: TensorMetadata, { width, height, rgb }: Picture): Tensor {
  const { name, datatype } = spec;
  const { isChannelsFirst, channels, rows, columns } = layoutOf(spec);
  if ((rows !== -1 && rows !== height) || (columns !== -1 && columns !== width)) {
    throw new ModelRejected(`a picture has ${width} x ${height} pixels; expected ${columns} x ${rows}`);
  }
  const pixels = width * height;
  const isFloat = datatype === 'FP32';
  const data = new (isFloat ? Float32Array : Uint8Array)(pixels * channels);
  for (let pixel = 0; pixel < pixels; pixel++) {
    for (let channel = 0; channel < channels; channel++) {
      const colour = rgb.subarray(pixel * 3, pixel * 3 + 3);
      const value =
        channels === 3
          ? (colour[channel] as number)
          : ((colour[0] as number) + (colour[1] as number) + (colour[2] as number)) / 3;
      const place = isChannelsFirst ? channel * pixels + pixel : pixel * channels + channel;
      data[place] = isFloat ? value / 255 : Math.round(value);
    }
  }
  const dims = isChannelsFirst ? [1, channels, height, width] : [1, height, width, channels];
  return { name, datatype, shape: dims, data };
}

/**
 * As `imageTensor`; a picture of another size than the model takes is resampled first.
 * @throws ModelRejected for an input that takes no pictures
 */
export function fittedImageTensor(spec: TensorMetadata, picture: Picture): Tensor {
  const { rows, columns } = layoutOf(spec);
  const width = columns === -1 ? picture.width : columns;
  const height = rows === -1 ? picture.height : rows;
  const fits = width === picture.width && height === picture.height;
  return imageTensor(spec, fits ? picture : resample(picture, width, height));
}

/** @throws ModelRejected for an input that takes no pictures */
function layoutOf({ name, datatype, shape }: TensorMetadata): Layout {
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
  return { isChannelsFirst, channels, rows, columns };
}
