import type { Tensor } from '../protocol/tensor.ts';

/** Whether two tensors have the same shape and elements that differ by at most `tolerance`, relative above 1. */
export function isClose(expected: Tensor, got: Tensor | undefined, tolerance: number): boolean {
  if (got === undefined || `${expected.shape}` !== `${got.shape}`) return false;
  return Array.from<unknown>(expected.data).every((value, i) => {
    const other = got.data[i];
    if (typeof value !== 'number') return value === other;
    return Object.is(value, other) || Math.abs(value - (other as number)) <= tolerance * Math.max(1, Math.abs(value));
  });
}

/** Whether an element is NaN or infinite. */
export function hasNonFinite({ data }: Tensor): boolean {
  if (!(data instanceof Float32Array || data instanceof Float64Array || data instanceof Float16Array)) return false;
  // Times zero, only they are not zero.
  let sum = 0;
  for (let i = 0; i < data.length; i++) sum += (data[i] as number) * 0;
  return sum !== 0;
}
