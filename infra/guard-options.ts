import { z } from 'zod';
import { CANARY_WEIGHT, GATES, WHOLE_GATES } from '../functions/retrain/gates.ts';
import { GUARDS, isWhole, LIMITS } from '../functions/retrain/limits.ts';
import { integer } from './schema.ts';

const [DEFAULT_DAILY_JOBS, ...DAILY_JOBS] = GUARDS.dailyJobs;
const [DEFAULT_QUIET_SECONDS, ...QUIET_SECONDS] = GUARDS.quietSeconds;

/** The options of training.json that decide whether a job starts, and whether its model serves. */
export const GUARD_OPTIONS = {
  dailyJobs: integer(...DAILY_JOBS).default(DEFAULT_DAILY_JOBS),
  quietSeconds: integer(...QUIET_SECONDS).default(DEFAULT_QUIET_SECONDS),
  canaryWeight: between(...CANARY_WEIGHT).optional(),
  gates: numbers(GATES, (name) => WHOLE_GATES.includes(name), 'an object of thresholds'),
  limits: numbers(LIMITS, isWhole, 'an object of limits'),
} satisfies { [option: string]: z.ZodType };

type Ranges = { readonly [name: string]: readonly [fallback: number, min: number, max: number] };

/** Optional numbers, whose defaults the functions know. */
function numbers(ranges: Ranges, isInteger: (name: string) => boolean, error: string) {
  const shape = Object.entries(ranges).map(([name, [, min, max]]) => {
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
