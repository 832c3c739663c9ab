/** What an execution of the training workflow is given. */
export type ExecutionInput = {
  readonly model: string;
  /** Of the upload: its ledger entry and its snapshot. */
  readonly id: string;
  /** Of the snapshot: `s3://bucket/snapshots/<model>/<id>/`, or a folder. */
  readonly snapshot: string;
  /** 0; above where somebody had the same upload trained on again. */
  readonly rerun: number;
};

export type ExecutionState = 'running' | 'succeeded' | 'failed' | 'stopped';

/** A model that has no workflow; the message is a sentence. */
export class NotTrained extends Error {}

/** Starts the training workflow of a model. */
export interface Starter {
  /**
   * @returns the name of the execution, `executionName(input)`. A second call with the same model and name starts nothing and returns the
   * same, whether the execution still runs or has ended.
   * @throws NotTrained
   */
  start(input: ExecutionInput): Promise<string>;
  /** How an execution is; undefined where there is none (any more). */
  state(model: string, execution: string): Promise<ExecutionState | undefined>;
}

/** Ends executions before their time. */
export interface Stopper {
  /** One that has ended already stays as it is. @throws Error where it can't be stopped, with the reason */
  stop(model: string, execution: string, reason: string): Promise<void>;
}

/** An execution that failed, and waits until somebody has it started again. */
export type WaitingRun = { readonly model: string; readonly id: string; readonly execution: string };

export interface FailedRuns {
  /** From oldest to newest, as far as that is known. */
  waiting(model: string | undefined): Promise<readonly WaitingRun[]>;
  /** It waits no longer. */
  remove(run: WaitingRun): Promise<void>;
}

/** One execution of each upload; `-r1`, `-r2` … are repetitions that somebody asked for. */
export function executionName({ id, rerun }: Pick<ExecutionInput, 'id' | 'rerun'>): string {
  return rerun === 0 ? id : `${id}-r${rerun}`;
}

/** Tells people how an upload has ended. */
export interface Notifier {
  /**
   * @param subject one line of at most 100 ASCII characters
   * @param fields for programs, to filter by
   */
  notify(subject: string, text: string, fields: { readonly [name: string]: string }): Promise<void>;
}
