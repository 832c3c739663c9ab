import { tensorFromBytes, tensorToBytes } from '../protocol/binary-tensor.ts';
import type { Datatype } from '../protocol/datatypes.ts';
import type { Parameters, RequestedOutput } from '../protocol/messages.ts';
import type { Tensor } from '../protocol/tensor.ts';

export type Asked = {
  readonly inputs: readonly Tensor[];
  readonly outputs?: readonly RequestedOutput[] | undefined;
  readonly parameters?: Parameters;
};

export type Answered = {
  readonly modelVersion: string;
  readonly parameters: Parameters;
  readonly outputs: readonly Tensor[];
};

/** Tensors start at a multiple of this, so that the server reads them in place. */
const ALIGNMENT = 8;

/** A request whose inputs are all binary, and that wants its outputs so: the JSON of `headerLength` bytes, then they. */
export function encodeRequest({ inputs, outputs, parameters }: Asked): {
  headerLength: number;
  body: Uint8Array<ArrayBuffer>;
} {
  const binary = inputs.map(tensorToBytes);
  const described = inputs.map(({ name, datatype, shape }, i) => ({
    name,
    shape,
    datatype,
    parameters: { binary_data_size: binary[i]?.length ?? 0 },
  }));
  const request = {
    parameters: { ...parameters, binary_data_output: true },
    inputs: described,
    ...(outputs === undefined ? {} : { outputs }),
  };
  const json = new TextEncoder().encode(JSON.stringify(request));
  const headerLength = Math.ceil(json.length / ALIGNMENT) * ALIGNMENT;
  const body = new Uint8Array(headerLength + binary.reduce((sum, { length }) => sum + length, 0)).fill(0x20);
  body.set(json);
  let at = headerLength;
  for (const bytes of binary) {
    body.set(bytes, at);
    at += bytes.length;
  }
  return { headerLength, body };
}

type OutputHeader = {
  name: string;
  datatype: Datatype;
  shape: number[];
  parameters?: { binary_data_size?: number };
};

/** @param headerLength what the answer's header says; undefined: it is nothing but JSON, as it has no elements */
export function decodeResponse(bytes: Uint8Array<ArrayBuffer>, headerLength: number | undefined): Answered {
  const { model_version, parameters, outputs } = JSON.parse(
    new TextDecoder().decode(bytes.subarray(0, headerLength)),
  ) as { model_version: string; parameters?: Parameters; outputs: OutputHeader[] };
  let at = headerLength ?? bytes.length;
  const tensors = outputs.map(({ name, datatype, shape, parameters }) => {
    const end = at + (parameters?.binary_data_size ?? 0);
    const tensor = tensorFromBytes(name, datatype, shape, bytes.subarray(at, end));
    at = end;
    return tensor;
  });
  return { modelVersion: model_version, parameters: parameters ?? {}, outputs: tensors };
}
