import { tensorFromBytes } from './binary-tensor.ts';
import { DATATYPE_NAMES, type Datatype, isDatatype } from './datatypes.ts';
import { InvalidRequest } from './errors.ts';
import { JsonReader, type JsonValue } from './json-reader.ts';
import { readJsonData } from './json-tensor.ts';
import type { InferRequest, Parameters, RequestedOutput } from './messages.ts';
import { quote } from './names.ts';
import { checkShape, type Tensor } from './tensor.ts';

/**
 * Reads an inference request: JSON, or JSON of `headerLength` bytes followed by the inputs that carry
 * `binary_data_size`, in their order. Unknown keys are ignored, as the protocol asks (some clients send `model_name`).
 *
 * @param headerLength the value of `Inference-Header-Content-Length`; undefined: all of the body is JSON
 * @throws InvalidRequest with one sentence for the first thing that is wrong
 */
export function decodeInferRequest(body: Uint8Array<ArrayBuffer>, headerLength?: number): InferRequest {
  if (body.length === 0) throw new InvalidRequest("the request has no body; expected JSON with an 'inputs' array");
  const reader = new JsonReader(body.subarray(0, headerLength));
  const binary = headerLength === undefined ? undefined : new BinaryInputs(body.subarray(headerLength));
  let id: string | undefined;
  let parameters: Parameters = {};
  let inputs: Tensor[] | undefined;
  let outputs: RequestedOutput[] | undefined;
  reader.object('the request', (key) => {
    if (key === 'id') {
      id = reader.string("'id'");
    } else if (key === 'parameters') {
      parameters = refuseReserved(readParameters(reader, 'the request'));
    } else if (key === 'inputs') {
      const read: Tensor[] = [];
      reader.array("'inputs'", () => read.push(readInput(reader, binary)));
      inputs = read;
    } else if (key === 'outputs') {
      const read: RequestedOutput[] = [];
      reader.array("'outputs'", () => read.push(readRequestedOutput(reader)));
      outputs = read;
    } else {
      reader.skip(quote(key));
    }
  });
  reader.end();
  binary?.end();
  if (inputs === undefined) throw new InvalidRequest("the request has no 'inputs'; expected an array of tensors");
  refuseDuplicates('input', inputs);
  if (outputs !== undefined) refuseDuplicates('output', outputs);
  const wanted = (outputs as RequestedOutput[] | undefined)?.length ? outputs : undefined;
  return { id, parameters, inputs, outputs: wanted, byteLength: body.length };
}

function refuseDuplicates(what: 'input' | 'output', items: readonly { name: string }[]): void {
  const names = new Set<string>();
  for (const { name } of items) {
    if (names.has(name)) throw new InvalidRequest(`${what} ${quote(name)} already exists in request; expected it once`);
    names.add(name);
  }
}

function readInput(reader: JsonReader, binary: BinaryInputs | undefined): Tensor {
  let name: string | undefined;
  let datatype: Datatype | undefined;
  let dims: JsonValue[] | undefined;
  let data: Tensor['data'] | undefined;
  let dataAt = -1;
  let parameters: Parameters = {};
  const readData = (): Tensor['data'] => {
    const label = name as string;
    return readJsonData(reader, label, datatype as Datatype, checkShape(label, datatype as Datatype, dims ?? []));
  };
  reader.object('an input', (key) => {
    if (key === 'name') name = reader.word("an input's 'name'");
    else if (key === 'datatype') datatype = readDatatype(reader);
    else if (key === 'shape') dims = readShape(reader);
    else if (key === 'parameters') parameters = readParameters(reader, 'an input');
    else if (key === 'data') {
      reader.peek();
      dataAt = reader.pos;
      if (name !== undefined && datatype !== undefined && dims !== undefined) data = readData();
      else reader.skip("'data'");
    } else reader.skip(quote(key));
  });
  if (name === undefined) throw new InvalidRequest("an input has no 'name'; expected a string");
  if (datatype === undefined) throw new InvalidRequest(`input ${quote(name)} has no 'datatype'; expected ${NAMES}`);
  if (dims === undefined)
    throw new InvalidRequest(`input ${quote(name)} has no 'shape'; expected an array of integers`);
  const size = parameters.binary_data_size;
  if (parameters.shared_memory_region !== undefined) {
    throw new InvalidRequest(`input ${quote(name)} is in shared memory; expected 'data' or 'binary_data_size'`);
  }
  if (size !== undefined) {
    if (dataAt !== -1) {
      throw new InvalidRequest(`input ${quote(name)} has both 'data' and 'binary_data_size'; expected one of them`);
    }
    if (binary === undefined) {
      throw new InvalidRequest(
        `input ${quote(name)} has 'binary_data_size', but the request has no header Inference-Header-Content-Length`,
      );
    }
    return tensorFromBytes(name, datatype, checkShape(name, datatype, dims), binary.take(name, size));
  }
  if (dataAt === -1) {
    throw new InvalidRequest(
      `input ${quote(name)} has no 'data'; expected an array, or the parameter 'binary_data_size'`,
    );
  }
  if (data === undefined) {
    // 'data' came before what is needed to read it: go back for it now.
    const after = reader.pos;
    reader.pos = dataAt;
    data = readData();
    reader.pos = after;
  }
  return { name, datatype, shape: dims as number[], data };
}

/** The bytes after the JSON, which the binary inputs share out in their order. */
class BinaryInputs {
  readonly #bytes: Uint8Array<ArrayBuffer>;
  #at = 0;

  constructor(bytes: Uint8Array<ArrayBuffer>) {
    this.#bytes = bytes;
  }

  take(name: string, size: string | number | boolean): Uint8Array<ArrayBuffer> {
    if (typeof size !== 'number' || !Number.isSafeInteger(size) || size < 0) {
      throw new InvalidRequest(
        `'binary_data_size' of ${quote(name)} is ${quote(String(size))}; expected a number of bytes`,
      );
    }
    const missing = this.#at + size - this.#bytes.length;
    if (missing > 0) {
      throw new InvalidRequest(`unexpected size for input ${quote(name)}, expecting ${missing} additional bytes`);
    }
    this.#at += size;
    return this.#bytes.subarray(this.#at - size, this.#at);
  }

  end(): void {
    const left = this.#bytes.length - this.#at;
    if (left > 0) throw new InvalidRequest(`unexpected additional input data: ${left} bytes after the last input`);
  }
}

const NAMES = `one of ${DATATYPE_NAMES.join(', ')}`;

function readDatatype(reader: JsonReader): Datatype {
  const text = reader.word("'datatype'");
  if (!isDatatype(text)) throw new InvalidRequest(`datatype ${quote(text)} is unknown; expected ${NAMES}`);
  return text;
}

function readShape(reader: JsonReader): JsonValue[] {
  const dims: JsonValue[] = [];
  reader.array("'shape'", () => dims.push(reader.value('a dimension')));
  return dims;
}

function readRequestedOutput(reader: JsonReader): RequestedOutput {
  let name: string | undefined;
  let parameters: Parameters = {};
  reader.object('an output', (key) => {
    if (key === 'name') name = reader.word("an output's 'name'");
    else if (key === 'parameters') parameters = readParameters(reader, 'an output');
    else reader.skip(quote(key));
  });
  if (name === undefined) throw new InvalidRequest("an output has no 'name'; expected a string");
  return { name, parameters };
}

/** Names that Triton keeps for itself. */
function refuseReserved(parameters: Parameters): Parameters {
  const reserved = Object.keys(parameters).find((name) => name.startsWith('triton_'));
  if (reserved !== undefined) {
    throw new InvalidRequest(`parameter ${quote(reserved)} starts with the reserved 'triton_'; expected another name`);
  }
  return parameters;
}

function readParameters(reader: JsonReader, whose: string): Parameters {
  const parameters: { [name: string]: string | number | boolean } = Object.create(null);
  reader.object(`'parameters' of ${whose}`, (key) => {
    const value = reader.value(quote(key));
    if (value === null || typeof value === 'object') {
      throw new InvalidRequest(
        `parameter ${quote(key)} of ${whose} is ${value === null ? 'null' : 'an object or array'}; ` +
          'expected a string, a number or a boolean',
      );
    }
    parameters[key] = value;
  });
  return parameters;
}
