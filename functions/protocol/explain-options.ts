import { InvalidRequest } from './errors.ts';
import type { Parameters } from './messages.ts';
import { quote } from './names.ts';

export const EXPLAIN_METHODS = ['occlusion', 'kernel_shap'] as const;
export type ExplainMethod = (typeof EXPLAIN_METHODS)[number];

/** What the `parameters` of a request for an explanation say; undefined: by the model. */
export type ExplainOptions = {
  readonly method: ExplainMethod | undefined;
  /** The name of the output that is explained. */
  readonly output: string | undefined;
  /** The element of that output, flattened. */
  readonly target: number | undefined;
  /** What stands in the place of an element that is taken away. */
  readonly background: number;
  /** Pixels of a patch's side, or neighbours in a flat input that are one feature. */
  readonly patch: number | undefined;
  /** Pixels from one occluded patch to the next. */
  readonly stride: number | undefined;
  /** Coalitions that Kernel SHAP evaluates. */
  readonly samples: number | undefined;
  readonly seed: number;
};

/** Of one explanation. */
export const MAX_EVALUATIONS = 16_384;
const MAX_SIDE = 4_096;

/** @throws InvalidRequest for a value of another kind, or outside of its range */
export function readExplainOptions(parameters: Parameters): ExplainOptions {
  const { method, output, background = 0 } = parameters;
  if (method !== undefined && !isMethod(method)) refuse('method', method, "'occlusion' or 'kernel_shap'");
  if (output !== undefined && typeof output !== 'string') refuse('output', output, 'the name of an output');
  if (typeof background !== 'number' || !Number.isFinite(background)) refuse('background', background, 'a number');
  return {
    method,
    output,
    target: integer(parameters, 'target', 0, Number.MAX_SAFE_INTEGER),
    background,
    patch: integer(parameters, 'patch', 1, MAX_SIDE),
    stride: integer(parameters, 'stride', 1, MAX_SIDE),
    samples: integer(parameters, 'samples', 1, MAX_EVALUATIONS),
    seed: integer(parameters, 'seed', 0, 2 ** 32 - 1) ?? 0,
  };
}

function isMethod(value: unknown): value is ExplainMethod {
  return (EXPLAIN_METHODS as readonly unknown[]).includes(value);
}

function integer(parameters: Parameters, name: string, min: number, max: number): number | undefined {
  const value = parameters[name];
  if (value === undefined) return undefined;
  if (typeof value !== 'number' || !Number.isInteger(value) || value < min || value > max) {
    refuse(name, value, `an integer from ${min} to ${max}`);
  }
  return value;
}

function refuse(name: string, got: unknown, expected: string): never {
  throw new InvalidRequest(`parameter '${name}' is ${quote(String(got))}; expected ${expected}`);
}
