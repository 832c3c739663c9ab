import { describe, expect, test } from 'vitest';
import { classesOf, largestDifference, shown } from '../../functions/playground/answer.ts';
import { latencyOf } from '../../functions/playground/latency.ts';

const texts = (...data: string[]) => ({ name: 'o', datatype: 'BYTES', shape: [1, data.length], data }) as const;
const numbers = (...data: number[]) =>
  ({ name: 'o', datatype: 'FP32', shape: [data.length], data: new Float32Array(data) }) as const;

describe('classes', () => {
  test('with labels, colons in them, and without', () => {
    expect(classesOf(texts('0.5:7:a:b', '-1e-3:0'))).toEqual([
      { index: 7, label: 'a:b', value: 0.5 },
      { index: 0, label: '0', value: -0.001 },
    ]);
  });

  test.each([['hello'], ['1:x'], ['a:1']])('%s is a text', (text) => {
    expect(classesOf(texts('0.5:7', text))).toBeUndefined();
  });
});

test('the largest difference of two answers, whatever the order of their classes', () => {
  expect(largestDifference(texts('0.9:1', '0.1:0'), texts('0.4:0', '0.6:1'))).toBeCloseTo(0.3);
  expect(largestDifference(numbers(1, 2), numbers(1, 4))).toBe(2);
  expect(largestDifference(numbers(1, 2), numbers(1))).toBeUndefined();
  expect(largestDifference(texts('a'), texts('b'))).toBeUndefined();
});

test.each([
  [0.123456789, '0.12346'],
  [3, '3'],
  [1e-9, '1.000e-9'],
  [Number.NaN, 'NaN'],
  [9007199254740993n, '9007199254740993'],
])('%s is shown as %s', (value, text) => {
  expect(shown(value)).toBe(text);
});

test("the histogram of a model's requests, of all its versions", () => {
  const name = 'serverless_onnx_request_duration_ms';
  const of = (labels: string, counts: number[], sum: number) =>
    [
      ...['1', '2', '4', '+Inf'].map((le, i) => `${name}_bucket{le="${le}",${labels}} ${counts[i]}`),
      `${name}_sum{${labels}} ${sum}`,
      `${name}_count{${labels}} ${counts[3]}`,
    ].join('\n');
  const text = [
    of('model="m",version="1"', [0, 3, 3, 3], 4.5),
    of('model="m",version="2"', [0, 0, 0, 1], 7.5),
    of('model="mm",version="1"', [9, 9, 9, 9], 9),
  ].join('\n');
  expect(latencyOf(text, 'm')).toEqual({
    count: 4,
    meanMs: 3,
    buckets: [
      { above: 0, upTo: 1, count: 0 },
      { above: 1, upTo: 2, count: 3 },
      { above: 2, upTo: 4, count: 0 },
      { above: 4, upTo: Number.POSITIVE_INFINITY, count: 1 },
    ],
  });
  expect(latencyOf(text, 'other')).toBeUndefined();
});
