import { InvalidRequest, ProtocolError } from '../protocol/errors.ts';
import { decodeInferRequest } from '../protocol/infer-request.ts';
import { encodeInferResponse } from '../protocol/infer-response.ts';
import { JsonReader } from '../protocol/json-reader.ts';
import type { InferRequest, InferResponse } from '../protocol/messages.ts';
import { noise } from '../protocol/synthetic-tensor.ts';
import { elementCount, type Tensor } from '../protocol/tensor.ts';
import { hasNonFinite, isClose } from './closeness.ts';
import type { ServedModel } from './model-loader.ts';
import { ModelRejected } from './ports.ts';
import { checkInputs, outputNames, toClientShapes, toModelShapes } from './signature.ts';

/** A request whose answer is known: `golden.json` in a version's folder. */
export type Golden = {
  readonly request: InferRequest;
  readonly expected: readonly Tensor[];
  /** Largest difference of an element, relative above 1. */
  readonly tolerance: number;
};

/** The file of a version's folder. */
export const GOLDEN_FILE = 'golden.json';

/** Processors round differently. */
const TOLERANCE = 1e-3;
const TIMEOUT_MS = 60_000;
/** Elements of a request that is made up; more would be a file of many megabytes. */
const MAX_ELEMENTS = 1_000_000;

/**
 * Reads `{"request": {...}, "response": {...}}`, the bodies of an inference request and of its answer, with perhaps a
 * `tolerance`.
 * @throws ModelRejected
 */
export function parseGolden(text: string): Golden {
  const bytes = new TextEncoder().encode(text);
  const reader = new JsonReader(bytes);
  const parts = new Map<string, Uint8Array<ArrayBuffer>>();
  try {
    reader.object(GOLDEN_FILE, (key) => {
      reader.peek();
      const start = reader.pos;
      reader.skip(key);
      parts.set(key, bytes.slice(start, reader.pos));
    });
    reader.end();
    const request = decodeInferRequest(parts.get('request') ?? fail("has no 'request'"));
    // The outputs of an answer are written as the inputs of a request are.
    const outputs = outputsOf(parts.get('response') ?? fail("has no 'response'"));
    const expected = decodeInferRequest(new TextEncoder().encode(`{"inputs":${outputs}}`)).inputs;
    const tolerance = Number(new TextDecoder().decode(parts.get('tolerance')) || TOLERANCE);
    if (!(tolerance >= 0)) fail("has a 'tolerance' that is no number from 0");
    return { request, expected, tolerance };
  } catch (error) {
    if (!(error instanceof InvalidRequest)) throw error;
    throw new ModelRejected(`${GOLDEN_FILE}: ${error.message}`);
  }
}

function outputsOf(response: Uint8Array): string {
  const reader = new JsonReader(response);
  let outputs = '';
  reader.object("'response'", (key) => {
    reader.peek();
    const start = reader.pos;
    reader.skip(key);
    if (key === 'outputs') outputs = new TextDecoder().decode(response.subarray(start, reader.pos));
  });
  return outputs || fail("has a 'response' without 'outputs'");
}

function fail(what: string): never {
  throw new ModelRejected(
    `${GOLDEN_FILE} ${what}; expected {"request": {"inputs": […]}, "response": {"outputs": […]}}`,
  );
}

/**
 * Holds a model's answer against the known one.
 * @throws ModelRejected
 */
export async function checkGolden(served: ServedModel, { request, expected, tolerance }: Golden): Promise<void> {
  const { outputs } = await answer(served, request);
  for (const tensor of expected) {
    const got = outputs.find(({ name }) => name === tensor.name);
    if (isClose(tensor, got, tolerance)) continue;
    const shown = got === undefined ? 'nothing' : `[${got.shape}] ${Array.from<unknown>(got.data).slice(0, 4)}`;
    throw new ModelRejected(
      `the golden request's output '${tensor.name}' is ${shown}; expected ` +
        `[${tensor.shape}] ${Array.from<unknown>(tensor.data).slice(0, 4)} within ${tolerance}`,
    );
  }
}

/**
 * Makes up a request, and takes the model's answer for the known one. Undefined for a model of very large inputs.
 * @param known a request that is asked in place of a made-up one
 * @param tolerance that the answer is kept with
 * @throws ModelRejected where the model does not compute it, or not to finite numbers
 */
export async function makeGolden(
  served: ServedModel,
  known?: InferRequest,
  tolerance = TOLERANCE,
): Promise<string | undefined> {
  const inputs = known?.inputs ?? served.serving.inputs.filter(({ optional }) => !optional).map(noise);
  if (inputs.some(({ shape }) => elementCount(shape) > MAX_ELEMENTS)) return undefined;
  const request: InferRequest = { id: undefined, parameters: {}, inputs, outputs: known?.outputs, byteLength: 0 };
  const response = await answer(served, request);
  const strange = response.outputs.find(hasNonFinite);
  if (strange !== undefined) {
    throw new ModelRejected(
      `the output '${strange.name}' of a made-up request is not finite; give a request with its answer (--golden)`,
    );
  }
  const kept = tolerance === TOLERANCE ? '' : `,"tolerance":${tolerance}`;
  const asked = bodyOf({ ...response, outputs: inputs }, 'inputs');
  return `{"request":${asked},"response":${bodyOf(response, 'outputs')}${kept}}\n`;
}

async function answer(served: ServedModel, request: InferRequest): Promise<InferResponse> {
  const { model, version, serving, loaded } = served;
  try {
    checkInputs(model, serving, request.inputs);
    const names = outputNames(model, serving, request.outputs);
    const inputs = toModelShapes(serving.inputs, request.inputs);
    const { outputs } = await loaded.run(inputs, names, performance.now() + TIMEOUT_MS);
    return {
      id: undefined,
      modelName: model,
      modelVersion: version,
      outputs: toClientShapes(serving.outputs, outputs),
    };
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    throw new ModelRejected(`the golden request fails: ${error.message}; another one can be given (--golden)`);
  }
}

function bodyOf(response: InferResponse, key: 'inputs' | 'outputs'): string {
  const plain: InferRequest = { id: undefined, parameters: {}, inputs: [], outputs: undefined, byteLength: 0 };
  const text = encodeInferResponse(response, plain)
    .parts.map((part) => new TextDecoder().decode(part))
    .join('');
  return `{"${key}":${text.slice(text.indexOf('"outputs":') + '"outputs":'.length)}`;
}
