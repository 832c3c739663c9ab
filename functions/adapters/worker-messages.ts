import type { TensorMetadata } from '../protocol/messages.ts';
import type { ModelConfig } from '../protocol/model-config.ts';

/** What the server asks of a child process, one at a time. `key` names a loaded model. */
export type ToWorker =
  | { readonly op: 'load'; readonly key: string; readonly path: string; readonly config: ModelConfig }
  | { readonly op: 'compile'; readonly path: string; readonly config: ModelConfig; readonly target: string }
  | { readonly op: 'run'; readonly key: string; readonly outputNames: readonly string[] }
  | { readonly op: 'unload'; readonly key: string };

/** How it answers; `ready` comes once, unasked. Times are milliseconds since 1970. */
export type FromWorker =
  | { readonly answer: 'ready' }
  | { readonly answer: 'loaded'; readonly signature: Signature }
  | { readonly answer: 'computed'; readonly startedAt: number; readonly endedAt: number }
  | { readonly answer: 'unloaded' }
  | { readonly answer: 'compiled' }
  | { readonly answer: 'refused'; readonly text: string };

export type Signature = {
  readonly inputs: readonly TensorMetadata[];
  readonly outputs: readonly TensorMetadata[];
  /** Neither control flow nor data-dependent shapes. */
  readonly isStatic: boolean;
};
