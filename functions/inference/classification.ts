import { DATATYPES } from '../protocol/datatypes.ts';
import { InvalidRequest } from '../protocol/errors.ts';
import type { RequestedOutput } from '../protocol/messages.ts';
import { quote } from '../protocol/names.ts';
import { elementCount, type Tensor } from '../protocol/tensor.ts';

/** More classes than any classifier has; sorting them would only cost time. */
const MAX_CLASSES = 1_000_000;

/**
 * How many top classes the request wants of an output instead of its values; undefined: the values.
 * @throws InvalidRequest for anything but a positive integer
 */
export function classesWanted({ name, parameters }: RequestedOutput): number | undefined {
  const wanted = parameters.classification;
  if (wanted === undefined) return undefined;
  if (typeof wanted !== 'number' || !Number.isSafeInteger(wanted) || wanted < 1) {
    throw new InvalidRequest(
      `'classification' of output ${quote(name)} is ${quote(String(wanted))}; expected a number of classes from 1`,
    );
  }
  return wanted;
}

/**
 * Triton's classification extension: the `count` highest values of each row as BYTES `value:index` or
 * `value:index:label`, highest first. Shape `[count]`, or `[rows, count]` when the model batches.
 *
 * @throws InvalidRequest for an output whose elements can't be ranked
 */
export function classify(
  tensor: Tensor,
  count: number,
  batches: boolean,
  labels: readonly string[] | undefined,
): Tensor {
  const { name, datatype, shape, data } = tensor;
  const { kind } = DATATYPES[datatype];
  if (kind === 'bytes' || kind === 'bool' || datatype === 'FP16') {
    throw new InvalidRequest(
      `class result not available for output ${quote(name)} due to unsupported type '${datatype}'`,
    );
  }
  const rows = batches ? (shape[0] ?? 1) : 1;
  const classes = elementCount(batches ? shape.slice(1) : shape);
  if (classes > MAX_CLASSES) {
    throw new InvalidRequest(
      `output ${quote(name)} has ${classes} elements; expected at most ${MAX_CLASSES} to classify`,
    );
  }
  const top = Math.min(count, classes);
  const values = data as ArrayLike<number | bigint>;
  const results: string[] = [];
  for (let row = 0; row < rows; row++) {
    const at = (index: number): number | bigint => values[row * classes + index] as number | bigint;
    const ranked = Array.from({ length: classes }, (_, index) => index).sort(
      (a, b) => descending(at(a), at(b)) || a - b,
    );
    for (const index of ranked.slice(0, top)) {
      const label = labels?.[index];
      results.push(`${asToString(at(index), kind === 'float')}:${index}${label ? `:${label}` : ''}`);
    }
  }
  return { name, datatype: 'BYTES', shape: batches ? [rows, top] : [top], data: results };
}

function descending(a: number | bigint, b: number | bigint): number {
  // NaN compares with nothing: it goes last.
  if (Number.isNaN(a) || Number.isNaN(b)) return Number(Number.isNaN(a)) - Number(Number.isNaN(b));
  return a < b ? 1 : a > b ? -1 : 0;
}

/** As C++ `std::to_string` writes it, which is what clients of Triton take apart: floats with six decimals. */
function asToString(value: number | bigint, isFloat: boolean): string {
  if (!isFloat) return String(value);
  if (!Number.isFinite(value)) return Number.isNaN(value) ? 'nan' : Number(value) > 0 ? 'inf' : '-inf';
  return Math.abs(Number(value)) < 1e21 ? Number(value).toFixed(6) : `${BigInt(value)}.000000`;
}
