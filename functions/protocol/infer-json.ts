import { DATATYPE_NAMES, type Datatype, isDatatype } from './datatypes.ts';
import { InvalidRequest } from './errors.ts';
import { JsonReader, type JsonValue } from './json-reader.ts';
import { readJsonData, writeJsonData } from './json-tensor.ts';
import type { InferRequest, InferResponse, Parameters, RequestedOutput } from './messages.ts';
import { quote } from './names.ts';
import { checkShape, type Tensor } from './tensor.ts';

/**
 * Reads the JSON form of an inference request. Unknown keys are ignored, as the protocol asks (some clients send
 * `model_name`).
 *
 * @throws InvalidRequest with one sentence for the first thing that is wrong
 */
export function decodeInferRequest(body: Uint8Array): InferRequest {
  if (body.length === 0) throw new InvalidRequest("the request has no body; expected JSON with an 'inputs' array");
  const reader = new JsonReader(body);
  let id: string | undefined;
  let parameters: Parameters = {};
  let inputs: Tensor[] | undefined;
  let outputs: RequestedOutput[] | undefined;
  reader.object('the request', (key) => {
    if (key === 'id') {
      id = reader.string("'id'");
    } else if (key === 'parameters') {
      parameters = readParameters(reader, 'the request');
    } else if (key === 'inputs') {
      const read: Tensor[] = [];
      reader.array("'inputs'", () => read.push(readInput(reader)));
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
  if (inputs === undefined) throw new InvalidRequest("the request has no 'inputs'; expected an array of tensors");
  refuseDuplicates('input', inputs);
  if (outputs !== undefined) refuseDuplicates('output', outputs);
  return { id, parameters, inputs, outputs: (outputs as RequestedOutput[] | undefined)?.length ? outputs : undefined };
}

function refuseDuplicates(what: 'input' | 'output', items: readonly { name: string }[]): void {
  const names = new Set<string>();
  for (const { name } of items) {
    if (names.has(name)) throw new InvalidRequest(`${what} ${quote(name)} already exists in request; expected it once`);
    names.add(name);
  }
}

function readInput(reader: JsonReader): Tensor {
  let name: string | undefined;
  let datatype: Datatype | undefined;
  let dims: JsonValue[] | undefined;
  let data: Tensor['data'] | undefined;
  let dataAt = -1;
  const readData = (): Tensor['data'] => {
    const label = name as string;
    return readJsonData(reader, label, datatype as Datatype, checkShape(label, datatype as Datatype, dims ?? []));
  };
  reader.object('an input', (key) => {
    if (key === 'name') name = reader.string("an input's 'name'");
    else if (key === 'datatype') datatype = readDatatype(reader);
    else if (key === 'shape') dims = readShape(reader);
    else if (key === 'parameters') readParameters(reader, 'an input');
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
  if (dataAt === -1) throw new InvalidRequest(`input ${quote(name)} has no 'data'; expected an array`);
  if (data === undefined) {
    // 'data' came before what is needed to read it: go back for it now.
    const after = reader.pos;
    reader.pos = dataAt;
    data = readData();
    reader.pos = after;
  }
  return { name, datatype, shape: dims as number[], data };
}

const NAMES = `one of ${DATATYPE_NAMES.join(', ')}`;

function readDatatype(reader: JsonReader): Datatype {
  const text = reader.string("'datatype'");
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
    if (key === 'name') name = reader.string("an output's 'name'");
    else if (key === 'parameters') parameters = readParameters(reader, 'an output');
    else reader.skip(quote(key));
  });
  if (name === undefined) throw new InvalidRequest("an output has no 'name'; expected a string");
  return { name, parameters };
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

/** The JSON form of an inference response, keys in Triton's order. */
export function encodeInferResponse(response: InferResponse): string {
  const { id, modelName, modelVersion, outputs } = response;
  const head = id === undefined || id === '' ? '' : `"id":${JSON.stringify(id)},`;
  const tensors = outputs.map(
    (tensor) =>
      `{"name":${JSON.stringify(tensor.name)},"datatype":"${tensor.datatype}",` +
      `"shape":[${tensor.shape}],"data":${writeJsonData(tensor)}}`,
  );
  return (
    `{${head}"model_name":${JSON.stringify(modelName)},"model_version":${JSON.stringify(modelVersion)},` +
    `"outputs":[${tensors}]}`
  );
}
