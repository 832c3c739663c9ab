import { tensorFromBytes } from './binary-tensor.ts';
import { DATATYPES } from './datatypes.ts';
import { InvalidRequest } from './errors.ts';
import type { InferRequest, TensorMetadata } from './messages.ts';
import { elementCount, type Tensor } from './tensor.ts';

/**
 * Reads a raw request (`Inference-Header-Content-Length: 0`): the body is the one input's bytes and nothing else. A batch
 * dimension is taken as 1, and one more dimension may vary, which the number of bytes then tells; BYTES of shape [1] are
 * the text itself, without a length before it. All outputs come back binary.
 *
 * @throws InvalidRequest when the model's inputs or the number of bytes do not allow that
 */
export function decodeRawRequest(
  body: Uint8Array<ArrayBuffer>,
  model: string,
  inputs: readonly TensorMetadata[],
  batches: boolean,
): InferRequest {
  const [input] = inputs;
  if (input === undefined || inputs.length > 1) {
    throw new InvalidRequest(
      `raw request must only have 1 input (found ${inputs.length}) to be deduced but model '${model}' has ${inputs.length}`,
    );
  }
  return {
    id: undefined,
    parameters: { binary_data_output: true },
    inputs: [readTensor(body, model, input, batches)],
    outputs: undefined,
    byteLength: body.length,
  };
}

function readTensor(
  body: Uint8Array<ArrayBuffer>,
  model: string,
  { name, datatype, shape: open }: TensorMetadata,
  batches: boolean,
): Tensor {
  const shape = open.map((dim, axis) => (batches && axis === 0 ? 1 : dim));
  if (datatype === 'BYTES') {
    if (elementCount(shape) !== 1) {
      throw new InvalidRequest(
        `for BYTES datatype raw input, the model must have input shape [1]; '${model}' has [${open}]`,
      );
    }
    const prefixed = new Uint8Array(4 + body.length);
    new DataView(prefixed.buffer).setUint32(0, body.length, true);
    prefixed.set(body, 4);
    return tensorFromBytes(name, datatype, shape, prefixed);
  }
  const varying = shape.filter((dim) => dim === -1).length;
  if (varying > 1) {
    throw new InvalidRequest(
      `the shape of raw input '${name}' can't be deduced: [${open}] has more than one open dimension`,
    );
  }
  if (varying === 0) return tensorFromBytes(name, datatype, shape, body);
  const rowBytes = Math.abs(elementCount(shape)) * DATATYPES[datatype].width;
  if (rowBytes === 0 || body.length % rowBytes !== 0) {
    throw new InvalidRequest(
      `the shape of raw input '${name}' can't be deduced from ${body.length} bytes; expected a multiple of ${rowBytes}`,
    );
  }
  return tensorFromBytes(
    name,
    datatype,
    shape.map((dim) => (dim === -1 ? body.length / rowBytes : dim)),
    body,
  );
}
