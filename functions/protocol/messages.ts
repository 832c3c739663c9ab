import type { Datatype } from './datatypes.ts';
import type { Tensor } from './tensor.ts';

/** The values that `parameters` objects hold. */
export type Parameters = { readonly [name: string]: string | number | boolean };

export type RequestedOutput = { readonly name: string; readonly parameters: Parameters };

/** The body of `POST /v2/models/{model}/infer`. */
export type InferRequest = {
  readonly id: string | undefined;
  readonly parameters: Parameters;
  readonly inputs: readonly Tensor[];
  /** Undefined: every output of the model. */
  readonly outputs: readonly RequestedOutput[] | undefined;
  /** Of the whole body. */
  readonly byteLength: number;
};

export type InferResponse = {
  readonly id: string | undefined;
  readonly modelName: string;
  readonly modelVersion: string;
  /** What an explanation tells beside its tensors. */
  readonly parameters?: Parameters;
  readonly outputs: readonly Tensor[];
  /** Travels in a header of its own. */
  readonly timing?: RequestTiming;
};

/** Milliseconds of a request: waiting, handing over and computing, and all of it on this side. */
export type RequestTiming = { readonly queue: number; readonly compute: number; readonly total: number };

/** `shape` has -1 for each dimension that may vary. */
export type TensorMetadata = { readonly name: string; readonly datatype: Datatype; readonly shape: readonly number[] };

/** The body of `GET /v2/models/{model}`. */
export type ModelMetadata = {
  readonly name: string;
  readonly versions: readonly string[];
  readonly platform: string;
  readonly inputs: readonly TensorMetadata[];
  readonly outputs: readonly TensorMetadata[];
};

/** The body of `GET /v2`. */
export type ServerMetadata = {
  readonly name: string;
  readonly version: string;
  readonly extensions: readonly string[];
};
