export type Point = readonly [x: number, y: number];
export type Line = { readonly start: number; readonly slope: number };

/**
 * The straight line from which the points differ least: by the squares of their differences, each as a part of the point, so
 * that small ones count as much as large ones. It falls nowhere, and starts at zero or above.
 */
export function straightLine(points: readonly Point[]): Line {
  let [n, x1, x2, r1, rx] = [0, 0, 0, 0, 0];
  for (const [x, y] of points) {
    const weight = 1 / y ** 2;
    n += weight;
    x1 += weight * x;
    x2 += weight * x * x;
    r1 += weight * y;
    rx += weight * x * y;
  }
  const slope = (n * rx - x1 * r1) / (n * x2 - x1 * x1);
  const start = (r1 - slope * x1) / n;
  if (!(slope > 0)) return { start: r1 / n, slope: 0 };
  return start < 0 ? { start: 0, slope: rx / x2 } : { start, slope };
}

export function at({ start, slope }: Line, x: number): number {
  return start + slope * x;
}
