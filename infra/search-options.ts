import { z } from 'zod';
import { flag, integer, matching, oneOf } from './schema.ts';

const number = z.number({ error: 'a number' });
const scale = oneOf(['linear', 'log']).default('linear');

const between = z
  .strictObject({ min: number, max: number, scale, integer: flag().default(false) })
  .refine(({ min, max }) => min < max, { error: 'a min that is less than max' })
  .refine((range) => range.scale === 'linear' || range.min > 0, { error: 'a min above 0, as scale is log' })
  .refine((range) => !range.integer || (Number.isInteger(range.min) && Number.isInteger(range.max)), {
    error: 'whole numbers for min and max, as integer is true',
  });

const value = z.union([z.string(), z.number(), z.boolean()], { error: 'a text, a number, true or false' });
const oneOfValues = z.strictObject({ values: z.array(value).min(2).max(30) });

/** What a search tries: `{"min", "max", "scale"?, "integer"?}` or `{"values"}`. */
const range = z.unknown().transform((found, context) => {
  const schema = typeof found === 'object' && found !== null && 'values' in found ? oneOfValues : between;
  const { data, error } = schema.safeParse(found);
  if (data !== undefined) return data;
  const said = error.issues[0]?.code === 'custom' ? error.issues[0].message : undefined;
  context.addIssue({ code: 'custom', message: said ?? RANGE, input: found });
  return z.NEVER;
});
const RANGE =
  '{"min": number, "max": number, "scale": "linear" or "log", "integer": true or false} or {"values": 2 to 30 values}';

/** The option `search` of training.json: training jobs over declared ranges, of which the best is taken. */
export const SEARCH = z.strictObject(
  {
    jobs: integer(1, 750).default(10),
    parallelJobs: integer(1, 100).default(2),
    ranges: z.record(z.string(), range, { error: 'an object of ranges' }),
    objective: matching(/^[\w-]{1,255}$/, 'the name of a metric').default('held_out_accuracy'),
    maximise: flag().default(true),
  },
  { error: 'an object with jobs, parallelJobs, ranges, objective and maximise' },
);

export type SearchOptions = z.infer<typeof SEARCH>;
