import { describe, expect, test } from 'vitest';
import { type Axis, plotOf, type Series } from '../../functions/cli/plot.ts';

const linear = (label: string): Axis => ({ label, scale: 'linear' });
const log = (label: string): Axis => ({ label, scale: 'log' });

const drawn = (x: Axis, y: Axis, ...series: Series[]): string => plotOf('Title', [{ title: 'Panel', x, y, series }]);

/** The labels of the ticks of the horizontal axis. */
const ticksOf = (svg: string): string[] =>
  [...svg.matchAll(/v4" stroke="currentColor"\/>\n<text [^>]*>([^<]*)</g)].map(([, label = '']) => label);

const pointsOf = (svg: string): number[][] =>
  [...svg.matchAll(/<circle cx="([^"]*)" cy="([^"]*)"/g)].map(([, x, y]) => [Number(x), Number(y)]);

test('title, axes with their units, and a legend; text is text', () => {
  const svg = drawn(linear('rows'), linear('ms'), { name: 'a < b & c', points: [[1, 2]] });
  for (const text of ['Title', 'Panel', 'rows', 'ms', 'a &lt; b &amp; c']) expect(svg).toContain(`>${text}</text>`);
  expect(svg).toMatch(/^<svg [^>]+>\n<title>/);
  expect(svg).toContain('<title>1: 2</title>');
  expect(svg).toContain('prefers-color-scheme:dark');
});

describe('axes', () => {
  test.each([
    [
      [1, 256],
      ['1', '10', '100', '1,000'],
    ],
    [
      [3, 40],
      ['2', '5', '10', '20', '50'],
    ],
    [
      [10, 10],
      ['10', '20'],
    ],
    [
      [0.001, 64_000],
      ['0.001', '0.01', '0.1', '1', '10', '100', '1,000', '10,000', '100,000'],
    ],
  ])('logarithmic, for %j', (values, expected) => {
    const points = values.map((value) => [value, 1] as const);
    expect(ticksOf(drawn(log('x'), linear('y'), { name: '', points }))).toEqual(expected);
  });

  test.each([
    [
      [1, 256],
      ['0', '100', '200', '300'],
    ],
    [
      [0.3, 1],
      ['0', '0.2', '0.4', '0.6', '0.8', '1'],
    ],
    [
      [-1, 4],
      ['-1', '0', '1', '2', '3', '4'],
    ],
    [[0], ['0']],
  ])('linear and from zero, for %j', (values, expected) => {
    const points = values.map((value) => [value, 1] as const);
    expect(ticksOf(drawn(linear('x'), linear('y'), { name: '', points }))).toEqual(expected);
  });

  test('points are where their values are, with upwards smaller', () => {
    const [[a = 0], [b = 0], [c = 0]] = pointsOf(
      drawn(log('x'), linear('y'), {
        name: '',
        points: [
          [1, 1],
          [10, 1],
          [100, 1],
        ],
      }),
    ) as [number[], number[], number[]];
    expect(b - a).toBeCloseTo(c - b, 0);
    const [[, low = 0], [, high = 0]] = pointsOf(
      drawn(linear('x'), linear('y'), {
        name: '',
        points: [
          [1, 0],
          [1, 10],
        ],
      }),
    ) as [number[], number[]];
    expect(high).toBeLessThan(low);
  });

  test('values without a place are refused', () => {
    const of = (x: Axis, value: number) => () => drawn(x, linear('y'), { name: '', points: [[value, 1]] });
    expect(of(log('x'), 0)).toThrow("'x' shows 0; expected numbers that its log axis has a place for");
    expect(of(linear('x'), Number.NaN)).toThrow("'x' shows NaN");
    expect(() => drawn(linear('x'), linear('y'))).toThrow("'x' shows nothing");
  });
});

test('a reference is a dashed line without points', () => {
  const svg = drawn(
    linear('x'),
    linear('y'),
    { name: 'measured', points: [[1, 1]] },
    {
      name: 'expected',
      points: [
        [1, 1],
        [2, 2],
      ],
      isReference: true,
    },
  );
  expect(pointsOf(svg)).toHaveLength(1);
  expect(svg.match(/stroke-dasharray/g)).toHaveLength(2);
});

test.each([
  { many: 40, drawn: 40 },
  { many: 41, drawn: 0 },
])('of $many points on a line, $drawn are drawn for themselves', ({ many, drawn: expected }) => {
  const points = Array.from({ length: many }, (_, i) => [i, i] as const);
  const svg = drawn(linear('x'), linear('y'), { name: 'over a time', points });
  expect(pointsOf(svg)).toHaveLength(expected);
  expect(/<polyline points="([^"]*)"/.exec(svg)?.[1]?.split(' ')).toHaveLength(many);
});
