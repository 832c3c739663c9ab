// What training.json says of the guards: read here by the functions, and by infra/training-options.ts before a deployment.

/** Each number of the guards: its default, and the smallest and largest value that is taken. */
export const GUARDS = {
  /** Training jobs of the model that may start on one day (UTC): a cap on cost. */
  dailyJobs: [3, 1, 1_000],
  /** Files are taken when none has come for so many seconds. */
  quietSeconds: [120, 0, 900],
} as const satisfies Ranges;

/** Each number of the object `limits`. */
export const LIMITS = {
  maxFiles: [10_000, 1, 100_000],
  /** Of one file. */
  maxFileBytes: [10 * 1024 ** 2, 1, 1024 ** 3],
  /** Of all files. */
  maxBytes: [2 * 1024 ** 3, 1, 1024 ** 4],
  /** Of each class, after what is left out. The training program takes no fewer than 5. */
  minImagesPerClass: [10, 5, 1_000_000],
  /** Pixels of the shorter side. */
  minSide: [4, 4, 10_000],
  /** Pixels of the longer side. */
  maxSide: [10_000, 4, 100_000],
  /** The part of the files that may show a picture that another one of the class shows; they are left out. */
  maxDuplicateShare: [0.1, 0, 1],
  /** The part of the pictures that may be in the held-out set; they are left out. */
  maxOverlapShare: [0.5, 0, 1],
} as const satisfies Ranges;

type Ranges = { readonly [name: string]: readonly [fallback: number, min: number, max: number] };

export type Limits = { readonly [name in keyof typeof LIMITS]: number };
export type Guards = { readonly [name in keyof typeof GUARDS]: number } & { readonly limits: Limits };

/** Shares are fractions; every other number is whole. */
export function isWhole(name: string): boolean {
  return !name.endsWith('Share');
}

/** A training.json that can't be used; the message is one sentence. */
export class WrongGuards extends Error {}

/**
 * The guards of a training.json. Its other options are for those who train.
 * @throws WrongGuards
 */
export function readGuards(text: string): Guards {
  const options = parsed(text);
  const { limits = {} } = options;
  if (!isObject(limits))
    throw new WrongGuards(`training.json: limits is ${show(limits)}; expected an object of numbers`);
  const unknown = Object.keys(limits).find((name) => !Object.hasOwn(LIMITS, name));
  if (unknown !== undefined) {
    throw new WrongGuards(
      `training.json: limits.${unknown} is unknown; expected one of ${Object.keys(LIMITS).join(', ')}`,
    );
  }
  return { ...numbers(GUARDS, options, ''), limits: numbers(LIMITS, limits, 'limits.') };
}

function numbers<R extends Ranges>(ranges: R, found: Found, prefix: string): { [name in keyof R]: number } {
  const entries = Object.entries(ranges).map(([name, [fallback, min, max]]) => {
    const value = found[name] ?? fallback;
    const fits =
      typeof value === 'number' && value >= min && value <= max && (!isWhole(name) || Number.isInteger(value));
    if (fits) return [name, value];
    const expected = `a ${isWhole(name) ? 'whole ' : ''}number from ${min} to ${max}`;
    throw new WrongGuards(`training.json: ${prefix}${name} is ${show(value)}; expected ${expected}`);
  });
  return Object.fromEntries(entries);
}

type Found = { readonly [key: string]: unknown };

function parsed(text: string): Found {
  try {
    const value: unknown = JSON.parse(text);
    if (isObject(value)) return value;
  } catch {
    // Told below.
  }
  throw new WrongGuards('training.json is no JSON object; expected an object of options');
}

function isObject(value: unknown): value is Found {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function show(value: unknown): string {
  return JSON.stringify(value).slice(0, 100);
}
