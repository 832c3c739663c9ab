import { tensorToBytes } from './binary-tensor.ts';
import { writeJsonData } from './json-tensor.ts';
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

const utf8 = new TextEncoder();

/**
 * Encodes a response as the request wants it: each output binary when its own `binary_data` says so or, without that, the
 * request's `binary_data_output`. Keys stand in Triton's order.
 */
export function encodeInferResponse(response: InferResponse, request: InferRequest): EncodedResponse {
  const { id, modelName, modelVersion, outputs } = response;
  const binary: Uint8Array[] = [];
  const tensors = outputs.map((tensor) => {
    const head = `{"name":${JSON.stringify(tensor.name)},"datatype":"${tensor.datatype}","shape":[${tensor.shape}]`;
    if (!wantsBinary(tensor, request)) return `${head},"data":${writeJsonData(tensor)}}`;
    const bytes = tensorToBytes(tensor);
    if (bytes.length > 0) binary.push(bytes);
    return `${head},"parameters":{"binary_data_size":${bytes.length}}}`;
  });
  const json =
    `{${id === undefined || id === '' ? '' : `"id":${JSON.stringify(id)},`}` +
    `"model_name":${JSON.stringify(modelName)},"model_version":${JSON.stringify(modelVersion)},"outputs":[${tensors}]}`;
  if (binary.length === 0) return { headerLength: undefined, parts: [utf8.encode(json)] };
  const header = utf8.encode(json);
  const padded = new Uint8Array(header.length + ((ALIGNMENT - (header.length % ALIGNMENT)) % ALIGNMENT)).fill(0x20);
  padded.set(header);
  return { headerLength: padded.length, parts: [padded, ...binary] };
}

function wantsBinary(tensor: Tensor, { outputs, parameters }: InferRequest): boolean {
  const own = outputs?.find(({ name }) => name === tensor.name)?.parameters.binary_data;
  return (own ?? parameters.binary_data_output) === true;
}
