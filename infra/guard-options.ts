import { z } from 'zod';
import { GUARDS, isWhole, LIMITS } from '../functions/retrain/limits.ts';
import { integer } from './schema.ts';

/** Thresholds of the decision between what is trained and what serves. docs/training.md explains each. */
const GATES = {
  minAccuracy: [0, 1],
  margin: [0, 0.5],
  minClassRecall: [0, 1],
  maxLatencyRatio: [0.1, 100],
  maxBytes: [1, 10 * 1024 ** 3],
  parity: [0, 1],
  minHeldOut: [1, 10_000_000],
} as const;
const WHOLE_GATES: readonly string[] = ['maxBytes', 'minHeldOut'] satisfies (keyof typeof GATES)[];

const [DEFAULT_DAILY_JOBS, ...DAILY_JOBS] = GUARDS.dailyJobs;
const [DEFAULT_QUIET_SECONDS, ...QUIET_SECONDS] = GUARDS.quietSeconds;

/** The options of training.json that decide whether a job starts, and whether its model serves. */
export const GUARD_OPTIONS = {
  dailyJobs: integer(...DAILY_JOBS).default(DEFAULT_DAILY_JOBS),
  quietSeconds: integer(...QUIET_SECONDS).default(DEFAULT_QUIET_SECONDS),
  canaryWeight: between(0.001, 0.999).optional(),
  gates: numbers(Object.entries(GATES), (name) => WHOLE_GATES.includes(name), 'an object of thresholds'),
  limits: numbers(
    Object.entries(LIMITS).map(([name, [, min, max]]) => [name, [min, max]]),
    isWhole,
    'an object of limits',
  ),
} satisfies { [option: string]: z.ZodType };

type Ranges = readonly (readonly [name: string, range: readonly [min: number, max: number]])[];

/** Optional numbers, whose defaults the functions know. */
function numbers(ranges: Ranges, isInteger: (name: string) => boolean, error: string) {
  const shape = ranges.map(([name, [min, max]]) => {
    const schema = isInteger(name) ? integer(min, max) : between(min, max);
    return [name, schema.optional()];
  });
  return z
    .strictObject(Object.fromEntries(shape) as { [name: string]: z.ZodOptional<z.ZodNumber> }, { error })
    .default({});
}

function between(min: number, max: number) {
  const error = `a number from ${min} to ${max}`;
  return z.number({ error }).min(min, { error }).max(max, { error });
}
