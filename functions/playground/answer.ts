import type { Tensor } from '../protocol/tensor.ts';

export type ClassScore = { readonly index: number; readonly label: string; readonly value: number };

/**
 * The classes of an output that was asked for with `classification`: elements `value:index` or `value:index:label`.
 * @returns undefined where it is something else
 */
export function classesOf({ datatype, data }: Tensor): readonly ClassScore[] | undefined {
  if (datatype !== 'BYTES' || data.length === 0) return undefined;
  const scores = (data as readonly string[]).map((element) => {
    const [, value = '', index = '', label = ''] = /^([^:]+):(\d+)(?::(.*))?$/s.exec(element) ?? [];
    return { index: Number(index), label: label || index, value: index === '' ? Number.NaN : Number(value) };
  });
  return scores.some(({ value }) => Number.isNaN(value)) ? undefined : scores;
}

/** A number as people read it. */
export function shown(value: unknown): string {
  if (typeof value !== 'number' || Number.isInteger(value)) return String(value);
  return Math.abs(value) >= 0.001 && Math.abs(value) < 1e6
    ? String(Number(value.toPrecision(5)))
    : value.toExponential(3);
}

/** The largest difference between what two versions say of the same class or element; undefined: not comparable. */
export function largestDifference(a: Tensor, b: Tensor): number | undefined {
  const [left, right] = [valuesOf(a), valuesOf(b)];
  if (left === undefined || right === undefined || left.size !== right.size) return undefined;
  let largest = 0;
  for (const [key, value] of left) largest = Math.max(largest, Math.abs(value - (right.get(key) ?? Number.NaN)));
  return largest;
}

function valuesOf(tensor: Tensor): Map<string, number> | undefined {
  const classes = classesOf(tensor);
  if (classes !== undefined) return new Map(classes.map(({ label, value }) => [label, value]));
  if (tensor.datatype === 'BYTES') return undefined;
  return new Map(Array.from(tensor.data as ArrayLike<number | bigint>, (value, i) => [String(i), Number(value)]));
}
