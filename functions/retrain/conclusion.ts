import type { Ended } from './conclude.ts';
import { printable } from './rejection.ts';
import type { ConcludedRun, ExecutionEnded, Run } from './workflow.ts';

/** The part of a decision that people are told: why it came to nothing. gate.ts has all of it. */
type Decision = {
  readonly code?: string;
  readonly gates?: readonly { readonly passed: boolean; readonly text: string }[];
};

/** The part of a promotion that is kept. A code says why the version is not live. */
type Promotion = { readonly version?: string; readonly code?: string; readonly text?: string };

const MAX_CAUSE = 1_000;

/** What an execution that comes to its end by itself has come to. */
export function endedOf(run: ConcludedRun): Ended {
  const { model, id, execution } = run;
  if ('failure' in run) {
    const { Error: name, Cause: cause = '' } = run.failure;
    return { model, id, execution, state: 'failed', reason: { code: 'training-failed', text: said(name, cause) } };
  }
  const { job, decision } = run;
  if (!('promotion' in run)) {
    return { model, id, execution, job, decision, state: 'rejected', reason: reasonOf(decision as Decision) };
  }
  const { version, code, text = '' } = run.promotion as Promotion;
  const made = { model, id, execution, job, decision, ...(version === undefined ? {} : { version }) };
  return code === undefined
    ? { ...made, state: 'promoted' }
    : { ...made, state: 'rejected', reason: { code, text: printable(text) } };
}

/**
 * What became of an execution that somebody else has ended.
 * @throws Error for one that was not given a run
 */
export function endedFrom({ detail }: ExecutionEnded): Ended {
  const { name: execution, status, input, error, cause } = detail;
  const { model, id } = JSON.parse(input) as Partial<Run>;
  if (typeof model !== 'string' || typeof id !== 'string') {
    throw new Error(`the execution ${execution} was given no model and id; expected {"model", "id", "snapshot"}`);
  }
  if (status === 'ABORTED') {
    return { model, id, execution, state: 'stopped', reason: { code: 'stopped', text: 'the execution was stopped' } };
  }
  const text = said(error ?? status, cause ?? '');
  return { model, id, execution, state: 'failed', reason: { code: 'training-failed', text } };
}

function reasonOf({ code = 'not-better', gates = [] }: Decision): Ended['reason'] {
  const failed = gates.filter(({ passed }) => !passed).map(({ text }) => text);
  return { code, text: failed.length === 0 ? 'the new model did not pass' : failed.join('; ') };
}

function said(error: string, cause: string): string {
  const shown = cause.length > MAX_CAUSE ? `${cause.slice(0, MAX_CAUSE)}...` : cause;
  // A cause is somebody else's text, often with line breaks.
  const oneLine = shown.replace(/\s+/g, ' ').replace(/\p{C}/gu, '?').trim();
  return oneLine === '' ? `it ended with ${error}` : `it ended with ${error}: ${oneLine}`;
}
