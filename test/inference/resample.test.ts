import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { ensureVenv } from '../../functions/cli/venv.ts';
import { fittedImageTensor, imageTensor } from '../../functions/inference/image-tensor.ts';
import { resample } from '../../functions/inference/resample.ts';

const spec = (datatype: 'FP32' | 'UINT8', shape: number[]) => ({
  name: 'image',
  datatype,
  shape,
  modelShape: undefined,
  optional: false,
  labelFile: undefined,
});

/** Bytes that look like noise, the same each time. */
function picture(width: number, height: number) {
  const rgb = Uint8Array.from({ length: width * height * 3 }, (_, i) => (i * 7_919 + (i >> 3) * 104_729) % 256);
  return { width, height, rgb };
}

const SIZES = [
  [8, 8, 32],
  [50, 20, 32],
  [33, 70, 16],
  [1, 1, 16],
  [2, 5, 17],
  [1, 40, 16],
] as const;

test.each(SIZES)('%d x %d to %d: as the training program does', async (width, height, side) => {
  const { rgb, ...size } = picture(width, height);
  const pixels = Array.from({ length: height }, (_, row) =>
    Array.from({ length: width }, (_, column) => [...rgb.subarray((row * width + column) * 3).subarray(0, 3)]),
  );
  const script = [join(import.meta.dirname, 'resampled.py'), JSON.stringify({ pixels, side })];
  const { stdout } = await promisify(execFile)(await ensureVenv(), script);
  const expected: { shape: number[]; data: number[] } = JSON.parse(stdout);
  const { shape, data } = fittedImageTensor(spec('FP32', [-1, 3, side, side]), { ...size, rgb });
  expect(shape).toEqual([1, ...expected.shape]);
  let largest = 0;
  for (const [i, value] of expected.data.entries()) largest = Math.max(largest, Math.abs((data[i] as number) - value));
  // One step of a float32 below 1.
  expect(largest).toBeLessThanOrEqual(2 ** -24);
});

test('a picture of the right size, or for a model that takes any, stays as it is', () => {
  const small = picture(5, 4);
  for (const shape of [
    [-1, 3, 4, 5],
    [-1, 3, -1, -1],
    [1, 4, 5, 3],
  ]) {
    expect(fittedImageTensor(spec('FP32', shape), small)).toEqual(imageTensor(spec('FP32', shape), small));
  }
});

test('rows and columns are not mixed up, and levels are rounded', () => {
  const twoByOne = { width: 2, height: 1, rgb: new Uint8Array([0, 0, 0, 255, 255, 255]) };
  expect([...resample(twoByOne, 4, 1).rgb].filter((_, i) => i % 3 === 0)).toEqual([0, 63.75, 191.25, 255]);
  const { data } = fittedImageTensor(spec('UINT8', [-1, 1, 3, 4]), twoByOne);
  expect([...data]).toEqual([0, 64, 191, 255, 0, 64, 191, 255, 0, 64, 191, 255]);
});
