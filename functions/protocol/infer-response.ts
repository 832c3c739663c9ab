import { tensorToBytes } from './binary-tensor.ts';
import { writeJsonData } from './json-tensor.ts';
import { JsonWriter } from './json-writer.ts';
import type { InferRequest, InferResponse } from './messages.ts';
import type { Tensor } from './tensor.ts';

/** An encoded response: JSON alone, or JSON of `headerLength` bytes and then the binary outputs. */
export type EncodedResponse = {
  /** Undefined: there is nothing but JSON. */
  readonly headerLength: number | undefined;
  /** To be sent one after the other. An output's bytes are the output's own memory, not a copy. */
  readonly parts: readonly Uint8Array[];
};

/** Binary outputs start at a multiple of this, for clients that view them in place. */
const ALIGNMENT = 8;

/**
 * Encodes a response as the request wants it: each output binary when its own `binary_data` says so or, without that, the
 * request's `binary_data_output`. Keys stand in Triton's order.
 */
export function encodeInferResponse(response: InferResponse, request: InferRequest): EncodedResponse {
  const { id, modelName, modelVersion, parameters, outputs } = response;
  const writer = new JsonWriter();
  const binary: Uint8Array[] = [];
  writer.text(id === undefined || id === '' ? '{' : `{"id":${JSON.stringify(id)},`);
  writer.text(`"model_name":${JSON.stringify(modelName)},"model_version":${JSON.stringify(modelVersion)},`);
  if (parameters !== undefined) writer.text(`"parameters":${JSON.stringify(parameters)},`);
  writer.text('"outputs":[');
  for (const [i, tensor] of outputs.entries()) {
    const { name, datatype, shape } = tensor;
    writer.text(`${i > 0 ? ',' : ''}{"name":${JSON.stringify(name)},"datatype":"${datatype}","shape":[${shape}],`);
    if (wantsBinary(tensor, request)) {
      const bytes = tensorToBytes(tensor);
      if (bytes.length > 0) binary.push(bytes);
      writer.text(`"parameters":{"binary_data_size":${bytes.length}}}`);
    } else {
      writer.text('"data":');
      writeJsonData(writer, tensor);
      writer.text('}');
    }
  }
  writer.text(']}');
  if (binary.length === 0) return { headerLength: undefined, parts: [writer.finish()] };
  const header = writer.finish(ALIGNMENT);
  return { headerLength: header.length, parts: [header, ...binary] };
}

function wantsBinary(tensor: Tensor, { outputs, parameters }: InferRequest): boolean {
  const own = outputs?.find(({ name }) => name === tensor.name)?.parameters.binary_data;
  return (own ?? parameters.binary_data_output) === true;
}
