import { expect, test } from 'vitest';
import { GUARDS, isWhole, LIMITS, readGuards, WrongGuards } from '../../functions/retrain/limits.ts';

test('without a word the defaults hold; options of others are left alone', () => {
  const { limits, ...guards } = readGuards('{"instanceType": "ml.m5.xlarge"}');
  expect(guards).toEqual({ dailyJobs: 3, quietSeconds: 120 });
  expect(limits).toEqual(Object.fromEntries(Object.entries(LIMITS).map(([name, [fallback]]) => [name, fallback])));
});

test('what is said is taken', () => {
  const guards = readGuards('{"dailyJobs": 7, "limits": {"maxOverlapShare": 0.25}}');
  expect([guards.dailyJobs, guards.limits.maxOverlapShare, guards.limits.maxFiles]).toEqual([7, 0.25, 10_000]);
});

const RANGES = [
  ...Object.entries(GUARDS).map(([name, range]) => ({ name, range, text: (n: unknown) => ({ [name]: n }) })),
  ...Object.entries(LIMITS).map(([name, range]) => ({
    name: `limits.${name}`,
    range,
    text: (n: unknown) => ({ limits: { [name]: n } }),
  })),
];

test.each(RANGES)('$name has its range', ({ name, range: [fallback, min, max], text }) => {
  expect(fallback).toBeGreaterThanOrEqual(min);
  expect(fallback).toBeLessThanOrEqual(max);
  for (const inside of [min, max]) expect(() => readGuards(JSON.stringify(text(inside)))).not.toThrow();
  const expected = `expected a ${isWhole(name) ? 'whole ' : ''}number from ${min} to ${max}`;
  for (const outside of [min - 1, max + 1, 'many', ...(isWhole(name) ? [min + 0.5] : [])]) {
    const read = () => readGuards(JSON.stringify(text(outside)));
    expect(read).toThrow(WrongGuards);
    expect(read).toThrow(`training.json: ${name} is ${JSON.stringify(outside)}; ${expected}`);
  }
});

test.each([
  ['', 'training.json is no JSON object'],
  ['[]', 'training.json is no JSON object'],
  ['{"limits": 3}', 'training.json: limits is 3; expected an object of numbers'],
  ['{"limits": {"maxFile": 3}}', 'training.json: limits.maxFile is unknown; expected one of maxFiles, '],
])('%j: %s', (text, sentence) => {
  expect(() => readGuards(text)).toThrow(sentence);
});
