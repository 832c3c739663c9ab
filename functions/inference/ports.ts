import { Unavailable } from '../protocol/errors.ts';
import type { LoadRequest } from '../protocol/load-request.ts';
import type { TensorMetadata } from '../protocol/messages.ts';
import type { ModelConfig } from '../protocol/model-config.ts';
import type { Tensor } from '../protocol/tensor.ts';
import type { CompiledUnused } from './compiled.ts';

export type { CompiledUnused };

/** Where models are kept: a folder, or a bucket, in Triton's layout. */
export interface ModelStore {
  /** The names of all models, sorted. */
  models(): Promise<readonly string[]>;
  /**
   * What is there of a model.
   * @throws ModelRejected when its config.pbtxt can't be read
   */
  /** @param known what was found before, which may be returned where nothing has changed */
  find(model: string, known?: StoredModel): Promise<StoredModel>;
  /**
   * Brings one version to this machine: what is in its folder `compiled` for a model file that is there, and everything
   * else for any other.
   * @param sha256 of the files that the version had when it was published, where that is known
   * @throws ModelRejected when one of them is another one now; NoRoom
   */
  fetch(model: string, version: string, filename: string, sha256?: FileHashes): Promise<Fetched>;
  /** The content of a file beside config.pbtxt, like `labels.txt` or `warmup/sample`. */
  read(model: string, path: string): Promise<Uint8Array<ArrayBuffer>>;
  /** The content of a file that need not be there (undefined), or its size where that is above `limit` bytes. */
  readUpTo(model: string, path: string, limit: number): Promise<Uint8Array<ArrayBuffer> | number | undefined>;
  /** The names of the files in a folder of the model, sorted; of very many the first 1,000. */
  names(model: string, folder: string): Promise<readonly string[]>;
  /** Ends the connections that are kept for the next call, which then makes new ones. */
  disconnect?(): void;
}

export type StoredModel = {
  /** Empty without a config.pbtxt. */
  readonly config: ModelConfig;
  /** The versions that hold a complete model, from oldest to newest; empty for a model that is not there. */
  readonly versions: readonly string[];
  /** The text of its release.json, where there is one. */
  readonly release?: string | undefined;
};

/** The sha256 of files in 64 hexadecimal digits, by path. */
export type FileHashes = { readonly [path: string]: string };

/** Bytes that can be read more than once, from wherever they are. */
export interface Content {
  readonly size: number;
  /** In hexadecimal digits; reads the content. */
  sha256(): Promise<string>;
  open(): AsyncIterable<Uint8Array>;
}

/** A model store that can be written to. Files only come; what is there changes only where `replace` says so. */
export interface ModelRepository extends ModelStore {
  /** Every file of a model, by its path below the model's folder. */
  files(model: string): Promise<ReadonlyMap<string, Content>>;
  /**
   * Makes a file, whole or not at all. One that is there with the same bytes is as good as made.
   * @throws WriteConflict where there is one with other bytes
   */
  create(model: string, path: string, content: Content): Promise<void>;
  /** A small file, and a tag of this state of it; undefined where there is none. */
  tagged(model: string, path: string): Promise<TaggedText | undefined>;
  /**
   * Replaces a small file that is still what `tag` stands for, or makes one where `tag` is undefined.
   * @throws WriteConflict where it is another one by now
   */
  replace(model: string, path: string, text: string, tag: string | undefined): Promise<void>;
}

export type TaggedText = { readonly text: string; readonly tag: string };

/** Somebody else wrote what was to be written. Nothing was changed. */
export class WriteConflict extends Error {}

/** A version on this machine. */
export type Fetched = {
  /** Of the model file. */
  readonly path: string;
  /** Of all its files. */
  readonly bytes: number;
  /** To be called when nothing reads the files any more: they may go when there is no room for others. */
  done(): void;
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
  readonly target: RuntimeTarget;
  /**
   * Loads the model file at `path`, with the settings that its configuration makes for the runtime.
   * @throws ModelRejected with a reason that may be shown to clients
   */
  load(id: ModelId, path: string, config: ModelConfig): Promise<LoadedModel>;
  /**
   * Bytes of memory that a model with files of so many bytes takes at most, once it is loaded: an estimate.
   * @param isShared all processes have its weights in common
   */
  memoryOf(bytes: number, isShared?: boolean): number;
  close(): Promise<void>;
}

/** What a compiled file has to be made for, to be loaded here. */
export type RuntimeTarget = {
  /** Version of ONNX Runtime. */
  readonly runtime: string;
  /** As Node.js names it. */
  readonly architecture: string;
  /** The class of vector units; undefined where it can't be told. */
  readonly simd: string | undefined;
};

/** Makes of a model file one that loads faster, in ONNX Runtime's own format. */
export interface Compiler {
  /**
   * @param bytes of all files of the model
   * @returns a sentence where there is nothing to be gained, or no room for it
   * @throws ModelRejected
   */
  compile(path: string, config: ModelConfig, bytes: number): Promise<CompiledFile | string>;
}

export type CompiledFile = {
  readonly path: string;
  readonly file: Content;
  /** 'none' in place of vector units that it does not depend on. */
  readonly target: RuntimeTarget & { readonly simd: string };
  /** The files beside the model file that it was made from, relative to its folder. */
  readonly data: readonly string[];
  /** Whether ONNX Runtime's prepacking of it gains anything. */
  readonly prepacking: boolean;
  remove(): Promise<void>;
};

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

/** There is no room for a model now, in memory or on disk, as others are in use. Nothing is wrong with it. */
export class NoRoom extends Unavailable {}

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
  /** A version's plain file was loaded, as its compiled one can't be used here. */
  compiledUnused(model: string, reason: CompiledUnused): void;
  /** What was good before is served, as what should be served can't be read or loaded. */
  staleServed(model: string): void;
  /** A canary was worse than the live version, and gets no more requests. */
  canaryEnded(model: string): void;
}

/** Puts an end to a canary for everyone who reads the same repository, where this process may. */
export type EndCanary = (model: string, version: string, reason: string) => Promise<void>;

/** Structured log lines. */
export interface Log {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}
