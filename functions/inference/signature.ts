import { InvalidRequest } from '../protocol/errors.ts';
import type { InferRequest } from '../protocol/messages.ts';
import { quote } from '../protocol/names.ts';
import type { Tensor } from '../protocol/tensor.ts';
import type { ServingConfig, TensorSpec } from './serving-config.ts';

/**
 * Holds a request's inputs against the model's signature, with Triton's words where clients look for them.
 * @throws InvalidRequest for inputs that are missing, unknown, of another datatype or shape, or too many rows
 */
export function checkInputs(
  model: string,
  { inputs: specs, maxBatchSize }: ServingConfig,
  inputs: readonly Tensor[],
): void {
  for (const tensor of inputs) {
    const spec = specs.find(({ name }) => name === tensor.name);
    if (spec === undefined) {
      throw new InvalidRequest(
        `unexpected inference input ${quote(tensor.name)} for model '${model}'; expected ${names(specs)}`,
      );
    }
    if (spec.datatype !== tensor.datatype) {
      throw new InvalidRequest(
        `inference input ${quote(tensor.name)} data-type is '${tensor.datatype}', ` +
          `but model '${model}' expects '${spec.datatype}'`,
      );
    }
    if (!fits(tensor.shape, spec.shape)) {
      throw new InvalidRequest(
        `unexpected shape for input ${quote(tensor.name)} for model '${model}'. ` +
          `Expected [${spec.shape}], got [${tensor.shape}]`,
      );
    }
  }
  const missing = specs.filter(({ name, optional }) => !optional && !inputs.some((tensor) => tensor.name === name));
  if (missing.length > 0) {
    const expected = specs.some(({ optional }) => optional) ? `${specs.length} or fewer` : specs.length;
    throw new InvalidRequest(
      `expected ${expected} inputs but got ${inputs.length} inputs for model '${model}'; missing: ${names(missing)}`,
    );
  }
  if (maxBatchSize > 0) checkBatch(model, maxBatchSize, inputs);
}

function checkBatch(model: string, maxBatchSize: number, inputs: readonly Tensor[]): void {
  const rows = inputs[0]?.shape[0] ?? 0;
  const other = inputs.find(({ shape }) => shape[0] !== rows);
  if (other !== undefined) {
    throw new InvalidRequest(
      `input ${quote(other.name)} batch size does not match other inputs for '${model}': got ${other.shape[0]}; expected ${rows}`,
    );
  }
  if (rows > maxBatchSize) {
    throw new InvalidRequest(
      `inference request batch-size must be <= ${maxBatchSize} for '${model}', got ${rows}; max_batch_size in config.pbtxt sets it`,
    );
  }
}

/** The outputs to compute: those asked for, or all. */
export function outputNames(model: string, { outputs }: ServingConfig, requested: InferRequest['outputs']): string[] {
  if (requested === undefined) return outputs.map(({ name }) => name);
  return requested.map(({ name }) => {
    if (!outputs.some((output) => output.name === name)) {
      throw new InvalidRequest(
        `unexpected inference output ${quote(name)} for model '${model}'; expected ${names(outputs)}`,
      );
    }
    return name;
  });
}

/** The tensors in the shapes that the model itself has; their data stays where it is. */
export function toModelShapes(specs: readonly TensorSpec[], tensors: readonly Tensor[]): readonly Tensor[] {
  return reshape(specs, tensors, (spec) => [spec.shape, spec.modelShape]);
}

/** The inverse, for outputs. */
export function toClientShapes(specs: readonly TensorSpec[], tensors: readonly Tensor[]): readonly Tensor[] {
  return reshape(specs, tensors, (spec) => [spec.modelShape, spec.shape]);
}

type Shape = readonly number[] | undefined;

function reshape(
  specs: readonly TensorSpec[],
  tensors: readonly Tensor[],
  shapes: (spec: TensorSpec) => [Shape, Shape],
): readonly Tensor[] {
  if (specs.every(({ modelShape }) => modelShape === undefined)) return tensors;
  return tensors.map((tensor) => {
    const spec = specs.find(({ name }) => name === tensor.name);
    const [from, to] = spec === undefined ? [] : shapes(spec);
    if (from === undefined || to === undefined) return tensor;
    // Both have the same number of open dimensions, which correspond in their order.
    const open = tensor.shape.filter((_, axis) => from[axis] === -1);
    return { ...tensor, shape: to.map((dim) => (dim === -1 ? (open.shift() ?? 1) : dim)) };
  });
}

/** Rows of the batch dimension; 1 for a model without one. */
export function batchRows({ maxBatchSize }: ServingConfig, inputs: readonly Tensor[]): number {
  return maxBatchSize > 0 ? (inputs[0]?.shape[0] ?? 1) : 1;
}

/** Whether a shape is one of those that `expected` allows: -1 there is any number. */
export function fits(got: readonly number[], expected: readonly number[]): boolean {
  return got.length === expected.length && expected.every((dim, axis) => dim === -1 || dim === got[axis]);
}

function names(specs: readonly TensorSpec[]): string {
  return specs.map(({ name }) => quote(name)).join(', ');
}
