import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { ensureVenv } from '../../functions/cli/venv.ts';
import { lowerBound, samplesFor } from '../../functions/retrain/paired-difference.ts';

const TWO_SIDED_95 = 1.959963984540054;

test('is the published interval of Fagerland, Lydersen and Laake (Stat. Med. 33, 2014), Table II', () => {
  // 21 children, 1 and 7 of them discordant: Tango's 95 % interval is -0.517 to -0.026.
  expect(lowerBound({ onlyFirst: 7, onlySecond: 1, samples: 21 }, TWO_SIDED_95)).toBeCloseTo(-0.517, 3);
  // The upper bound of a difference is the lower one of its negative.
  expect(-lowerBound({ onlyFirst: 1, onlySecond: 7, samples: 21 }, TWO_SIDED_95)).toBeCloseTo(-0.026, 3);
});

test('is what a score test from first principles does not reject, computed in Python', async () => {
  const counts = [
    [0, 0, 359],
    [1, 0, 359],
    [0, 1, 359],
    [3, 0, 359],
    [3, 2, 359],
    [8, 8, 359],
    [35, 1, 359],
    [2, 5, 40],
    [10, 10, 20],
    [1, 19, 30],
    [60, 40, 5_000],
    [0, 12, 268],
  ];
  const script = [join(import.meta.dirname, 'tango.py'), JSON.stringify(counts)];
  const { stdout } = await promisify(execFile)(await ensureVenv(), script);
  const found = counts.map(([onlyFirst = 0, onlySecond = 0, samples = 0]) =>
    lowerBound({ onlyFirst, onlySecond, samples }),
  );
  const expected: number[] = JSON.parse(stdout);
  expect(expected).toHaveLength(counts.length);
  for (const [i, bound] of expected.entries()) expect(found[i], `${counts[i]}`).toBeCloseTo(bound, 6);
});

test.each([0.001, 0.01, 0.02, 0.1, 0.5])('a margin of %d needs as many samples as it says', (margin) => {
  const samples = samplesFor(margin);
  expect(lowerBound({ onlyFirst: 0, onlySecond: 0, samples })).toBeGreaterThanOrEqual(-margin);
  expect(lowerBound({ onlyFirst: 0, onlySecond: 0, samples: samples - 1 })).toBeLessThan(-margin);
});

test('no margin can be shown with any number of samples', () => {
  expect(samplesFor(0)).toBe(Number.POSITIVE_INFINITY);
});

test('more losses lower it, more wins raise it, more samples narrow it', () => {
  const bound = (onlyFirst: number, onlySecond: number, samples = 359) =>
    lowerBound({ onlyFirst, onlySecond, samples });
  for (let losses = 0; losses < 30; losses++) expect(bound(losses + 1, 4)).toBeLessThan(bound(losses, 4));
  for (let wins = 0; wins < 30; wins++) expect(bound(4, wins + 1)).toBeGreaterThan(bound(4, wins));
  expect(bound(10, 10, 2_000)).toBeGreaterThan(bound(10, 10));
});

test('a classifier that is wrong wherever the other is right has the bound -1', () => {
  expect(lowerBound({ onlyFirst: 20, onlySecond: 0, samples: 20 })).toBe(-1);
});

/**
 * How often the bound is not above the true difference, over all outcomes with their probabilities: nothing is simulated.
 * @param bound of onlyFirst, onlySecond and samples
 */
function coverage(p12: number, p21: number, n: number, bound: (b: number, c: number) => number): number {
  const logFactorial = [0];
  for (let i = 1; i <= n; i++) logFactorial.push((logFactorial[i - 1] as number) + Math.log(i));
  const log = (i: number): number => logFactorial[i] as number;
  let covered = 0;
  for (let b = 0; b <= n; b++) {
    for (let c = 0; b + c <= n; c++) {
      const rest = n - b - c;
      const terms = power(b, p12) + power(c, p21) + power(rest, 1 - p12 - p21);
      const share = Math.exp(log(n) - log(b) - log(c) - log(rest) + terms);
      if (share > 1e-12 && bound(b, c) <= p21 - p12) covered += share;
    }
  }
  return covered;
}

/** The logarithm of share to the power of count. */
function power(count: number, share: number): number {
  return count === 0 ? 0 : count * Math.log(share);
}

const TRUE_SHARES = [
  [0.02, 0.01],
  [0.03, 0.03],
  [0.05, 0.02],
  [0.01, 0.04],
  [0.1, 0.1],
  [0.2, 0.05],
] as const;

test.each(TRUE_SHARES)('holds the true difference in 95 of 100 held-out sets: shares %d and %d', (p12, p21) => {
  const n = 150;
  const covered = coverage(p12, p21, n, (b, c) => lowerBound({ onlyFirst: b, onlySecond: c, samples: n }));
  // Of a better second classifier it is a little less than 0.95, as is known of this interval; that decides nothing here.
  expect(covered).toBeGreaterThan(p12 >= p21 ? 0.94 : 0.92);
  expect(covered).toBeLessThan(0.985);
});

test.each([0, 0.002, 0.01, 0.03, 0.1])('of models that are worse by the margin 1 in 20 passes the gate: %d', (p21) => {
  const [samples, margin] = [359, 0.02];
  const passes =
    1 -
    coverage(p21 + margin, p21, samples, (b, c) => {
      // Above the true difference means: at least -margin.
      return lowerBound({ onlyFirst: b, onlySecond: c, samples });
    });
  expect(passes).toBeLessThan(0.065);
});

test('the plain interval does not, where hardly a sample tells two classifiers apart', () => {
  const n = 150;
  const plain = (b: number, c: number): number =>
    (c - b) / n - (1.6448536269514722 * Math.sqrt(b + c - (b - c) ** 2 / n)) / n;
  // It calls a classifier that is worse by 0.01 no worse at all whenever the two happen not to differ.
  expect(coverage(0.011, 0.001, n, plain)).toBeLessThan(0.85);
  const ours = coverage(0.011, 0.001, n, (b, c) => lowerBound({ onlyFirst: b, onlySecond: c, samples: n }));
  expect(ours).toBeGreaterThan(0.93);
});
