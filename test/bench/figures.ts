/** With as many digits as a figure of the bench deserves: three, and never less than its whole number. */
export function rounded(value: number): number {
  return Math.abs(value) >= 1000 ? Math.round(value) : Number(value.toPrecision(3));
}

/** @param part of the values that are less, from 0 to below 1; NaN of no values */
export function percentile(values: readonly number[], part: number): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length * part)] ?? Number.NaN;
}

/** The median of one of their figures. */
export function middle<T extends { readonly [key in K]: number }, K extends keyof T>(
  all: readonly T[],
  key: K,
): number {
  return percentile(
    all.map((one) => one[key]),
    0.5,
  );
}
