import type { Datatype } from '../../protocol/datatypes.ts';
import type { ModelConfig } from '../../protocol/model-config.ts';

export type SentTensor = {
  readonly name: string;
  readonly datatype: Datatype;
  readonly shape: readonly number[];
  readonly base64: string;
};

export type ToProbe =
  | { readonly op: 'load'; readonly path: string; readonly config: ModelConfig }
  /** What requests of so many rows are measured with. */
  | { readonly op: 'inputs'; readonly rows: number; readonly tensors: readonly SentTensor[] }
  | { readonly op: 'run'; readonly rows: number; readonly ms: number };

export type Loaded = {
  /** The shortest of several. */
  readonly sessionMs: number;
};

export type Measured = {
  readonly runs: number;
  /** Mean time of a run, and of all threads' CPU in it. */
  readonly runMs: number;
  readonly cpuMs: number;
  /** The most memory of the process until now. */
  readonly peakMb: number;
};

export type FromProbe = Loaded | Measured | { readonly [nothing: string]: never };

export type Refused = { readonly refused: string };
