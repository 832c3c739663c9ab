// What training.json says of the gates that a trained model has to pass before it serves.

/** Each threshold: its default, and the smallest and largest value that is taken. */
export const GATES = {
  /** Share of the held-out pictures that are recognised. */
  minAccuracy: [0.8, 0, 1],
  /** The accuracy may be lower than the live version's by so much; the bound of its confidence interval counts. */
  margin: [0.01, 0, 0.5],
  /** Share of the held-out pictures of each class that are recognised. */
  minClassRecall: [0.8, 0, 1],
  /** Median time of one picture, over the live version's. */
  maxLatencyRatio: [1.2, 0.1, 100],
  /** Of all files of the version. */
  maxBytes: [512 * 1024 ** 2, 1, 10 * 1024 ** 3],
  /** Largest difference of an output between the trained network and the exported model. */
  parity: [1e-4, 0, 1],
  /** Pictures of the held-out set; the margin may need more. */
  minHeldOut: [1, 1, 10_000_000],
} as const satisfies { readonly [name: string]: readonly [fallback: number, min: number, max: number] };

/** Bytes and pictures are counted; the others are any numbers. */
export const WHOLE_GATES: readonly string[] = ['maxBytes', 'minHeldOut'] satisfies (keyof typeof GATES)[];

/** A better model gets so much of the requests first. */
export const CANARY_WEIGHT = [0.001, 0.999] as const;

export type Gates = { readonly [name in keyof typeof GATES]: number };

/** How a model that has passed the gates is released. */
export type Release = {
  readonly gates: Gates;
  /** Undefined: it gets all of the requests at once. */
  readonly canaryWeight: number | undefined;
};

/** A training.json that can't be used; the message is one sentence. */
export class WrongGates extends Error {}

/**
 * The gates of a training.json. Its other options are for those who train and guard.
 * @throws WrongGates
 */
export function readGates(text: string): Release {
  const { gates = {}, canaryWeight } = objectIn(text);
  if (!isObject(gates))
    throw new WrongGates(`training.json: gates is ${show(gates)}; expected an object of thresholds`);
  const unknown = Object.keys(gates).find((name) => !Object.hasOwn(GATES, name));
  if (unknown !== undefined) {
    throw new WrongGates(
      `training.json: gates.${unknown} is unknown; expected one of ${Object.keys(GATES).join(', ')}`,
    );
  }
  const thresholds = Object.entries(GATES).map(([name, [fallback, min, max]]) => {
    const value = gates[name] ?? fallback;
    return [name, number(`gates.${name}`, value, min, max, WHOLE_GATES.includes(name))];
  });
  return {
    gates: Object.fromEntries(thresholds),
    canaryWeight: canaryWeight === undefined ? undefined : number('canaryWeight', canaryWeight, ...CANARY_WEIGHT),
  };
}

function number(path: string, value: unknown, min: number, max: number, isWhole = false): number {
  const fits = typeof value === 'number' && value >= min && value <= max && (!isWhole || Number.isInteger(value));
  if (fits) return value;
  const expected = `a ${isWhole ? 'whole ' : ''}number from ${min} to ${max}`;
  throw new WrongGates(`training.json: ${path} is ${show(value)}; expected ${expected}`);
}

type Found = { readonly [key: string]: unknown };

function objectIn(text: string): Found {
  try {
    const value: unknown = JSON.parse(text);
    if (isObject(value)) return value;
  } catch {
    // Told below.
  }
  throw new WrongGates('training.json is no JSON object; expected an object of options');
}

function isObject(value: unknown): value is Found {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function show(value: unknown): string {
  return JSON.stringify(value).slice(0, 100);
}
