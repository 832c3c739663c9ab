import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { decide, type Findings, GATE_CODES, type GateCode } from '../../functions/retrain/gate.ts';
import { GATES, type Gates, readGates, WrongGates } from '../../functions/retrain/gates.ts';
import { lowerBound, samplesFor } from '../../functions/retrain/paired-difference.ts';
import type { Promotion } from '../../functions/retrain/promote.ts';

const { gates: DEFAULTS } = readGates('{}');
const gates: Gates = { ...DEFAULTS, margin: 0.02 };
const SAMPLES = 400;
const labels = Array.from({ length: SAMPLES }, (_, i) => `${i % 4}`);

/** The right answers, but for the samples that are named. */
const answers = (wrong: readonly number[], inferMs = 1) => ({
  predictions: labels.map((label, i) => (wrong.includes(i) ? 'another' : label)),
  inferMs,
});

const good: Findings = {
  bytes: 1_000,
  loading: '',
  signature: '',
  golden: '',
  parity: 1e-6,
  heldOut: { labels, challenger: answers([0, 1]), champion: answers([0, 2]) },
};
const heldOut = good.heldOut as NonNullable<Findings['heldOut']>;
const against = (more: Partial<typeof heldOut>): Findings => ({ ...good, heldOut: { ...heldOut, ...more } });

test('what passes all gates is promoted, and every number is told', () => {
  const decision = decide(good, gates);
  expect(decision).toMatchObject({
    outcome: 'promote',
    text: 'all 10 gates are passed',
    samples: SAMPLES,
    challenger: { correct: 398, accuracy: 0.995, infer_ms: 1, per_class: { 0: { samples: 100, recall: 0.99 } } },
    champion: { correct: 398 },
    comparison: { both_right: 397, only_champion_right: 1, only_challenger_right: 1, both_wrong: 1, difference: 0 },
  });
  expect(decision.code).toBeUndefined();
  expect(decision.gates.map(({ name }) => name)).toEqual([...GATE_CODES]);
  expect(decision.comparison?.lower_bound_95).toBeCloseTo(-0.00886, 5);
});

const CLOSED: { code: GateCode; findings: Findings; thresholds?: Partial<Gates>; sentence: string | RegExp }[] = [
  { code: 'size', findings: { ...good, bytes: 5_000 }, thresholds: { maxBytes: 4_999 }, sentence: 'have 5000 bytes' },
  { code: 'not-loadable', findings: { ...good, loading: 'it is no model' }, sentence: 'it is no model' },
  { code: 'signature', findings: { ...good, signature: 'its inputs differ' }, sentence: 'its inputs differ' },
  { code: 'parity', findings: { ...good, parity: 2e-4 }, sentence: 'differs from the trained network by 0.0002' },
  { code: 'parity', findings: { ...good, parity: Number.NaN }, sentence: 'by NaN in an output' },
  { code: 'parity', findings: { ...good, parity: 'no metrics.json' }, sentence: 'no metrics.json' },
  { code: 'golden', findings: { ...good, golden: 'the answer is another' }, sentence: 'the answer is another' },
  {
    code: 'held-out-too-small',
    findings: good,
    thresholds: { margin: 0.005 },
    sentence: 'has 400 pictures; expected at least 539, to show that it is worse by at most 0.005',
  },
  { code: 'held-out-too-small', findings: good, thresholds: { minHeldOut: 401 }, sentence: 'expected at least 401' },
  { code: 'held-out-too-small', findings: good, thresholds: { margin: 0 }, sentence: 'expected at least no number' },
  {
    code: 'accuracy-floor',
    findings: good,
    thresholds: { minAccuracy: 0.996 },
    sentence: /is 0\.9950 \(398 of 400, 95 % interval 0\.98\d\d to 0\.99\d\d\); expected at least 0\.996/,
  },
  {
    code: 'class-recall',
    findings: against({ challenger: answers([3, 7, 11]), champion: answers([3, 7, 11]) }),
    thresholds: { minClassRecall: 0.98 },
    sentence: "of the 100 held-out pictures of class '3' it recognises 0.9700",
  },
  {
    code: 'worse-than-live',
    findings: against({ challenger: answers([0, 1, 2, 3, 4, 5]), champion: answers([]) }),
    sentence: /is -0\.0150, with 95 % confidence at least -0\.02\d\d \(of 400 pictures 0 are right in it alone, 6 in/,
  },
  {
    code: 'latency',
    findings: against({ challenger: answers([], 2.5), champion: answers([], 2) }),
    sentence: '2.500 ms, 1.25 times as long as the live version (2.000 ms, medians); expected at most 1.2',
  },
];

test.each(CLOSED)('$code closes by itself: $sentence', ({ code, findings, thresholds, sentence }) => {
  const decision = decide(findings, { ...gates, ...thresholds });
  expect([decision.outcome, decision.code]).toEqual(['reject', code]);
  expect(decision.text).toMatch(sentence);
  const closed = decision.gates.filter(({ passed }) => !passed);
  expect(closed.map(({ name }) => name)).toContain(code);
  for (const gate of closed) expect([gate.measured, gate.threshold, gate.text]).not.toContain(undefined);
});

test('every gate has a fixture that it alone stops', () => {
  const stopped = CLOSED.filter(({ findings, thresholds }) => {
    return decide(findings, { ...gates, ...thresholds }).gates.filter(({ passed }) => !passed).length === 1;
  });
  expect([...new Set(stopped.map(({ code }) => code))].sort()).toEqual([...GATE_CODES].sort());
});

test('the first version has no live one to be held against; the floors stand', () => {
  const first = against({ champion: undefined });
  const decision = decide(first, { ...gates, margin: 0 });
  expect(decision.outcome).toBe('promote');
  expect(decision.gates.map(({ name }) => name)).not.toContain('worse-than-live');
  expect(decide(first, { ...gates, minAccuracy: 0.999 }).code).toBe('accuracy-floor');
  expect(decide(first, { ...gates, minHeldOut: 500 }).code).toBe('held-out-too-small');
});

test.each(['loading', 'signature', 'golden', 'parity', 'heldOut'] as const)(
  'what was not looked at does not pass: %s',
  (name) => {
    const { [name]: _, ...rest } = good;
    expect(() => decide(rest, gates)).toThrow('was not looked at');
  },
);

test('what is rejected early tells what was looked at', () => {
  const decision = decide({ bytes: 5, parity: 0, loading: 'no' }, gates);
  expect(decision.gates.map(({ name, passed }) => [name, passed])).toEqual([
    ['size', true],
    ['not-loadable', false],
    ['parity', true],
  ]);
});

test('thresholds are read from training.json, with defaults', () => {
  const text = JSON.stringify({ gates: { margin: 0.03, maxBytes: 1_000 }, canaryWeight: 0.1, epochs: 3 });
  expect(readGates(text)).toEqual({ gates: { ...DEFAULTS, margin: 0.03, maxBytes: 1_000 }, canaryWeight: 0.1 });
  expect(readGates('{}').canaryWeight).toBeUndefined();
  expect(Object.keys(DEFAULTS)).toEqual(Object.keys(GATES));
});

test.each([
  ['[]', 'training.json is no JSON object'],
  ['{', 'training.json is no JSON object'],
  ['{"gates": 3}', 'gates is 3; expected an object of thresholds'],
  ['{"gates": {"accuracy": 0.9}}', 'gates.accuracy is unknown; expected one of minAccuracy, margin'],
  ['{"gates": {"margin": 0.6}}', 'gates.margin is 0.6; expected a number from 0 to 0.5'],
  ['{"gates": {"minHeldOut": 1.5}}', 'gates.minHeldOut is 1.5; expected a whole number from 1'],
  ['{"gates": {"margin": "0.1"}}', 'gates.margin is "0.1"; expected a number'],
  ['{"canaryWeight": 1}', 'canaryWeight is 1; expected a number from 0.001 to 0.999'],
])('%s is refused', (text, sentence) => {
  expect(() => readGates(text)).toThrow(WrongGates);
  expect(() => readGates(text)).toThrow(sentence);
});

test('docs/runbook.md has a section for each reason why a trained model does not serve', () => {
  const runbook = readFileSync(join(import.meta.dirname, '../../docs/runbook.md'), 'utf8');
  const promotion: NonNullable<Promotion['code']>[] = ['pinned', 'live-changed', 'rolled-back'];
  for (const code of [...GATE_CODES, ...promotion]) expect(runbook).toContain(`\n### ${code}\n`);
});

test('docs/decision.md names the samples that a margin needs', () => {
  const decision = readFileSync(join(import.meta.dirname, '../../docs/decision.md'), 'utf8');
  const rows = [...decision.matchAll(/^\| (0\.\d+) \| (\d+) \| ([\d,]+) \|$/gm)];
  expect(rows).toHaveLength(4);
  for (const [, margin, least, discordant = ''] of rows) {
    expect(samplesFor(Number(margin))).toBe(Number(least));
    const samples = Number(discordant.replace(',', ''));
    const half = samples / 20;
    expect(lowerBound({ onlyFirst: half, onlySecond: half, samples })).toBeGreaterThanOrEqual(-Number(margin));
    const fewer = samples * 0.95;
    expect(lowerBound({ onlyFirst: fewer / 20, onlySecond: fewer / 20, samples: fewer })).toBeLessThan(-Number(margin));
  }
  // Of the digits.
  expect(lowerBound({ onlyFirst: 2, onlySecond: 0, samples: 359 })).toBeGreaterThanOrEqual(-0.02);
  expect(lowerBound({ onlyFirst: 3, onlySecond: 0, samples: 359 })).toBeLessThan(-0.02);
});

test('what is made of the champion is judged without the gates that say nothing of it, and named as it is', () => {
  const { parity: _, golden: __, ...quantised } = against({ challenger: answers([0, 1], 3) });
  const contest = { champion: 'the float version 7', without: ['parity', 'golden'] } as const;
  const { gates: looked, code, text } = decide(quantised, gates, contest);
  expect(looked.map(({ name }) => name)).toEqual(GATE_CODES.filter((name) => name !== 'parity' && name !== 'golden'));
  expect([code, text]).toEqual(['latency', expect.stringContaining('3.00 times as long as the float version 7')]);
  const { signature: ___, ...less } = quantised;
  const wide = { ...gates, maxLatencyRatio: 3 };
  expect(() => decide(less, wide, contest)).toThrow("the gate 'signature' was not looked at");
  expect(decide(quantised, wide, contest).text).toBe('all 8 gates are passed');
});
