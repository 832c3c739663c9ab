import { DATATYPES } from './datatypes.ts';
import type { TensorMetadata } from './messages.ts';
import { elementCount, type Tensor } from './tensor.ts';

/** A tensor of zeros, empty strings for BYTES, to try a model with. Open dimensions of `shape` become 1. */
export function zeros({ name, datatype, shape }: TensorMetadata): Tensor {
  const dims = closed(shape);
  const TypedArray = DATATYPES[datatype].array;
  const count = elementCount(dims);
  return { name, datatype, shape: dims, data: TypedArray ? new TypedArray(count) : Array<string>(count).fill('') };
}

/** Between two elements of floating point: they take half as many characters of a file, and are exact in every datatype. */
const STEPS = 64;

/**
 * A tensor whose elements differ: from 0 to 1 for floating point, 0 or 1 for everything else, which most models take
 * as an index as well. The same `seed` makes the same tensor.
 */
export function noise(metadata: TensorMetadata, seed: number): Tensor {
  const tensor = zeros(metadata);
  const { kind } = DATATYPES[tensor.datatype];
  const { length } = tensor.data;
  if (kind === 'bytes') return { ...tensor, data: Array.from({ length }, (_, i) => `${Math.round(drawn(seed, i))}`) };
  const data = tensor.data as unknown as { [i: number]: number | bigint };
  for (let i = 0; i < length; i++) {
    const value = drawn(seed, i);
    data[i] =
      kind === 'float'
        ? Math.round(value * STEPS) / STEPS
        : kind === 'bigint'
          ? BigInt(Math.round(value))
          : Math.round(value);
  }
  return tensor;
}

function closed(shape: readonly number[]): readonly number[] {
  return shape.map((dim) => (dim === -1 ? 1 : dim));
}

/** From 0 to 1: the fractional part of a large sine, good enough to tell one element from the next. */
function drawn(seed: number, i: number): number {
  const large = Math.sin((seed + 1) * 12.9898 + (i + 1) * 78.233) * 43_758.5453;
  return large - Math.floor(large);
}
