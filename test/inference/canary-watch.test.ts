import { expect, test } from 'vitest';
import { CanaryWatch, type Observation, type Variant } from '../../functions/inference/canary-watch.ts';

const good = (inferMs = 10): Observation => ({ failed: false, nonFinite: false, inferMs });
const failed: Observation = { failed: true, nonFinite: false, inferMs: undefined };

/** What the watch says after the last of the answers, and after how many of the canary it said something. */
function watched(answers: readonly (readonly [Variant, Observation])[]): [string | undefined, number] {
  const watch = new CanaryWatch();
  let canaries = 0;
  for (const [variant, observation] of answers) {
    if (variant === 'canary') canaries++;
    const verdict = watch.observe('m', '2', variant, observation);
    if (verdict !== undefined) return [verdict, canaries];
  }
  return [undefined, canaries];
}
const times = (count: number, variant: Variant, observation: Observation) =>
  Array.from({ length: count }, () => [variant, observation] as const);

test('a canary that always fails is ended after a few requests', () => {
  expect(watched([...times(100, 'live', good()), ...times(50, 'canary', failed)])).toEqual([
    'version 2 fails in 100 % of 5 requests; the live version in 0 %',
    5,
  ]);
});

test('one that fails as seldom as the live version goes on', () => {
  const some = (variant: Variant) => [...times(98, variant, good()), ...times(2, variant, failed)];
  const both = Array.from({ length: 20 }, () => [...some('live'), ...some('canary')]).flat();
  expect(watched(both)).toEqual([undefined, 2_000]);
});

test('one that fails when the live version fails as well goes on', () => {
  expect(watched([...times(50, 'live', failed), ...times(50, 'canary', failed)])).toEqual([undefined, 50]);
});

test('numbers that are not finite count as well', () => {
  const strange: Observation = { failed: false, nonFinite: true, inferMs: 10 };
  const [verdict, after] = watched([...times(20, 'canary', good()), ...times(20, 'canary', strange)]);
  expect(verdict).toContain('answers with numbers that are not finite in 20 % of 25 requests');
  expect(after).toBe(25);
});

test('one that takes more than twice as long is ended, once there are enough answers to tell', () => {
  expect(watched([...times(200, 'live', good(10)), ...times(100, 'canary', good(25))])).toEqual([
    'version 2 takes 25.0 ms; the live version takes 10.0 ms',
    50,
  ]);
  expect(watched([...times(200, 'live', good(10)), ...times(100, 'canary', good(19))])[0]).toBeUndefined();
  expect(watched([...times(200, 'live', good(0.1)), ...times(100, 'canary', good(0.9))])[0]).toBeUndefined();
  expect(watched([...times(49, 'live', good(10)), ...times(100, 'canary', good(25))])[0]).toBeUndefined();
});

test('another canary starts anew', () => {
  const watch = new CanaryWatch();
  for (let i = 0; i < 4; i++) expect(watch.observe('m', '2', 'canary', failed)).toBeUndefined();
  expect(watch.observe('m', '3', 'canary', failed)).toBeUndefined();
  expect(watch.observe('n', '2', 'canary', failed)).toBeUndefined();
});
