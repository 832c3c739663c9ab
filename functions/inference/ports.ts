import type { LoadRequest } from '../protocol/load-request.ts';
import type { TensorMetadata } from '../protocol/messages.ts';
import type { ModelConfig } from '../protocol/model-config.ts';
import type { Tensor } from '../protocol/tensor.ts';

/** Where models are kept: a folder, or a bucket, in Triton's layout. */
export interface ModelStore {
  /** The names of all models, sorted. */
  models(): Promise<readonly string[]>;
  /**
   * What is there of a model.
   * @throws ModelRejected when its config.pbtxt can't be read
   */
  find(model: string): Promise<StoredModel>;
  /** Brings one version to this machine and returns the path of its model file. */
  fetch(model: string, version: string, filename: string): Promise<string>;
  /** The content of a file beside config.pbtxt, like `labels.txt` or `warmup/sample`. */
  read(model: string, path: string): Promise<Uint8Array<ArrayBuffer>>;
}

export type StoredModel = {
  /** Empty without a config.pbtxt. */
  readonly config: ModelConfig;
  /** The versions that hold a complete model, from oldest to newest; empty for a model that is not there. */
  readonly versions: readonly string[];
  /** The text of its release.json, where there is one. */
  readonly release?: string | undefined;
};

/** What a load request brings along in place of what the repository holds. */
export type Override = { readonly config?: ModelConfig; readonly store?: ModelStore };

export interface OverrideReader {
  /** @throws InvalidRequest */
  read(model: string, request: LoadRequest): Promise<Override>;
}

export type ModelId = { readonly model: string; readonly version: string };

/** What computes. Implementations decide where and how many at once; see adapters/laned-engine.ts. */
export interface Engine {
  /**
   * Loads the model file at `path`, with the settings that its configuration makes for the runtime.
   * @throws ModelRejected with a reason that may be shown to clients
   */
  load(id: ModelId, path: string, config: ModelConfig): Promise<LoadedModel>;
  close(): Promise<void>;
}

export interface LoadedModel {
  readonly inputs: readonly TensorMetadata[];
  readonly outputs: readonly TensorMetadata[];
  /** How many requests wait for their turn. */
  readonly pending: number;
  /**
   * How many runs on inputs of these shapes it computes at once. Infinity: each is over before the next request comes,
   * so that none ever waits for another.
   */
  capacity(inputs: readonly Tensor[]): number;
  /**
   * Computes the named outputs, in that order. `inputs` have been held against the model's signature.
   * @param deadline in milliseconds on the clock of `performance.now()`
   * @throws ProtocolError: DeadlineExceeded, Overloaded, InvalidRequest (the model refused these inputs), ModelFailed
   */
  run(inputs: readonly Tensor[], outputNames: readonly string[], deadline: number): Promise<Computed>;
  unload(): Promise<void>;
}

export type Computed = {
  readonly outputs: readonly Tensor[];
  readonly timing: Timing;
  /** Of requests that were run together: the rows of that run at the first of them, 0 at the others. */
  readonly mergedRows?: number;
};

/** Milliseconds that a request spent waiting, on the way in, in `session.run()`, and on the way out. */
export type Timing = {
  readonly queue: number;
  readonly input: number;
  readonly infer: number;
  readonly output: number;
};

/** A model that can't be loaded, or that this server does not serve. */
export class ModelRejected extends Error {}

export type InferenceRecord = ModelId & {
  /** 'success', or the reason of the error. */
  readonly outcome: string;
  /** Rows of the batch dimension; 1 for a model without one. */
  readonly rows: number;
  /** Rows of the run that this request counts for; 0 when it was run along with another one, which counts for it. */
  readonly executedRows: number;
  /** Milliseconds from the decoded request to the result. */
  readonly total: number;
  readonly timing: Timing | undefined;
  /** Of the request's body. */
  readonly payloadBytes: number;
};

/** Milliseconds that it took to bring a version to this machine, and to make its session. */
export type LoadTiming = { readonly download: number; readonly session: number };

/** Counts what happened. */
export interface Telemetry {
  inference(record: InferenceRecord): void;
  loaded(id: ModelId, timing: LoadTiming): void;
  loadFailed(model: string): void;
}

/** Structured log lines. */
export interface Log {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}
