import { expect, test } from 'vitest';
import { at, type Point, straightLine } from './straight.ts';

const XS = [1, 2, 4, 8, 16, 32, 64, 128, 256];
const points = (y: (x: number) => number): Point[] => XS.map((x) => [x, y(x)]);

test.each([
  ['a straight one', (x: number) => 0.2 + 0.05 * x, { start: 0.2, slope: 0.05 }],
  ['a proportional one', (x: number) => 3 * x, { start: 0, slope: 3 }],
  ['a flat one', () => 7, { start: 7, slope: 0 }],
])('finds %s', (_, y, { start, slope }) => {
  const line = straightLine(points(y));
  expect(line.start).toBeCloseTo(start, 9);
  expect(line.slope).toBeCloseTo(slope, 9);
});

test('never falls, nor starts below zero', () => {
  expect(straightLine(points((x) => 100 - x / 10)).slope).toBe(0);
  expect(straightLine(points((x) => x ** 1.5)).start).toBe(0);
});

test('what bends is seen', () => {
  const bent = points((x) => x + x * x);
  const line = straightLine(bent);
  const off = bent.map(([x, y]) => y / at(line, x));
  expect(Math.max(...off)).toBeGreaterThan(1.5);
});
