import { z } from 'zod';

// Each schema has one error text, what is expected: messages and the tables of the docs are made of it.

export const integer = (min: number, max: number) => {
  const error = `a whole number from ${min} to ${max}`;
  return z.int({ error }).min(min, { error }).max(max, { error });
};

export const matching = (pattern: RegExp, error: string) => z.string({ error }).regex(pattern, { error });

export const oneOf = <const T extends readonly string[]>(values: T) =>
  z.enum(values, { error: `${values.slice(0, -1).join(', ')} or ${values.at(-1)}` });

export const listOf = <T extends z.ZodType>(item: T, error: string) => z.array(item, { error });

export const flag = () => z.boolean({ error: 'true or false' });

/** Something wrong, as it stands in a message. */
export function show(value: unknown): string {
  return value === undefined ? 'not set' : JSON.stringify(value);
}
