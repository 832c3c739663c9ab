import { DATATYPES, type Datatype, type NumericArray } from './datatypes.ts';
import { InvalidRequest } from './errors.ts';
import { quote } from './names.ts';

/**
 * One named array. `data` is row-major with exactly `elementCount(shape)` elements: a typed array of the datatype's
 * kind, or strings for BYTES.
 *
 * @example { name: 'image', datatype: 'FP32', shape: [1, 3, 32, 32], data: new Float32Array(3072) }
 */
export type Tensor = {
  readonly name: string;
  readonly datatype: Datatype;
  readonly shape: readonly number[];
  readonly data: NumericArray | readonly string[];
};

/** ONNX itself sets no limit; 32 is more than any published model uses and keeps a request's shapes short. */
const MAX_RANK = 32;

/** The number of elements; 1 for a scalar's empty shape. */
export function elementCount(shape: readonly number[]): number {
  let count = 1;
  for (const dim of shape) count *= dim;
  return count;
}

/** Refuses shapes that are negative, fractional, too deep, or whose product or byte size overflows. */
export function checkShape(name: string, datatype: Datatype, shape: readonly unknown[]): readonly number[] {
  if (shape.length > MAX_RANK) {
    throw new InvalidRequest(`shape of ${quote(name)} has ${shape.length} dimensions; expected at most ${MAX_RANK}`);
  }
  for (const dim of shape) {
    if (typeof dim !== 'number' || !Number.isSafeInteger(dim) || dim < 0) {
      throw new InvalidRequest(
        `shape of ${quote(name)} has the dimension ${describe(dim)}; expected an integer from 0 to 2^53`,
      );
    }
  }
  const dims = shape as readonly number[];
  // A zero anywhere would hide an overflow of the other dimensions from the product.
  if (!Number.isSafeInteger(elementCount(dims.filter((dim) => dim !== 0)) * Math.max(1, DATATYPES[datatype].width))) {
    throw new InvalidRequest(`shape of ${quote(name)} is too large: [${dims.join(', ')}] overflows`);
  }
  return dims;
}

function describe(value: unknown): string {
  if (typeof value === 'number') return String(value);
  if (typeof value === 'string') return quote(value);
  return value === null ? 'null' : Array.isArray(value) ? 'an array' : typeof value;
}
