import { InvalidRequest } from '../protocol/errors.ts';
import type { InferRequest, TensorMetadata } from '../protocol/messages.ts';
import { quote } from '../protocol/names.ts';
import type { Tensor } from '../protocol/tensor.ts';
import type { LoadedModel } from './ports.ts';

/**
 * Holds a request against the model's signature, with Triton's words where clients look for them.
 * @throws InvalidRequest for inputs that are missing, unknown or of another datatype or shape, and unknown outputs
 */
export function checkInputs(model: string, loaded: LoadedModel, inputs: readonly Tensor[]): void {
  for (const tensor of inputs) {
    const expected = loaded.inputs.find(({ name }) => name === tensor.name);
    if (expected === undefined) {
      throw new InvalidRequest(
        `unexpected inference input ${quote(tensor.name)} for model '${model}'; expected ${names(loaded.inputs)}`,
      );
    }
    if (expected.datatype !== tensor.datatype) {
      throw new InvalidRequest(
        `inference input ${quote(tensor.name)} data-type is '${tensor.datatype}', ` +
          `but model '${model}' expects '${expected.datatype}'`,
      );
    }
    if (!fits(tensor.shape, expected.shape)) {
      throw new InvalidRequest(
        `unexpected shape for input ${quote(tensor.name)} for model '${model}'. ` +
          `Expected [${expected.shape}], got [${tensor.shape}]`,
      );
    }
  }
  if (inputs.length !== loaded.inputs.length) {
    const missing = loaded.inputs.filter(({ name }) => !inputs.some((tensor) => tensor.name === name));
    throw new InvalidRequest(
      `expected ${loaded.inputs.length} inputs but got ${inputs.length} inputs for model '${model}'; ` +
        `missing: ${names(missing)}`,
    );
  }
}

/** The outputs to compute: those asked for, or all. */
export function outputNames(model: string, loaded: LoadedModel, requested: InferRequest['outputs']): string[] {
  if (requested === undefined) return loaded.outputs.map(({ name }) => name);
  return requested.map(({ name }) => {
    if (!loaded.outputs.some((output) => output.name === name)) {
      throw new InvalidRequest(
        `unexpected inference output ${quote(name)} for model '${model}'; expected ${names(loaded.outputs)}`,
      );
    }
    return name;
  });
}

/** Rows of the batch dimension, which is the first one of every input when all leave it open; else 1. */
export function batchRows(loaded: LoadedModel, inputs: readonly Tensor[]): number {
  const batches = loaded.inputs.length > 0 && loaded.inputs.every(({ shape }) => shape[0] === -1);
  return batches ? (inputs[0]?.shape[0] ?? 1) : 1;
}

function fits(got: readonly number[], expected: readonly number[]): boolean {
  return got.length === expected.length && expected.every((dim, axis) => dim === -1 || dim === got[axis]);
}

function names(tensors: readonly TensorMetadata[]): string {
  return tensors.map(({ name }) => quote(name)).join(', ');
}
