import type { Ended } from './conclude.ts';
import { printable } from './rejection.ts';
import type { ConcludedRun, ExecutionEnded, Run } from './workflow.ts';

/** The part of a decision that people are told: the first gate that it did not pass, and its sentence. */
type Decision = { readonly code?: string; readonly text?: string };

/** The part of a promotion that people are told. A rejected one has made a version that is not live. */
type Promotion = {
  readonly version: string;
  readonly outcome: 'promoted' | 'canary' | 'rejected';
  readonly code?: string;
  readonly text: string;
};

const MAX_CAUSE = 1_000;

/** What an execution that comes to its end by itself has come to. */
export function endedOf(run: ConcludedRun): Ended {
  const { model, id, execution } = run;
  if ('failure' in run) {
    const { Error: name, Cause: cause = '' } = run.failure;
    return { model, id, execution, state: 'failed', reason: { code: 'training-failed', text: said(name, cause) } };
  }
  const { job, decision } = run;
  const judged = { model, id, execution, job, decision };
  if (!('promotion' in run)) {
    const { code = 'not-better', text = 'the new model did not pass' } = decision as Decision;
    return { ...judged, state: 'rejected', reason: { code, text: printable(text) } };
  }
  const { version, outcome, code = outcome, text } = run.promotion as Promotion;
  const reason = { code, text: printable(text) };
  if (outcome === 'rejected') return { ...judged, version, state: 'rejected', reason };
  return { ...judged, version, state: 'promoted', ...(outcome === 'canary' ? { reason } : {}) };
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

function said(error: string, cause: string): string {
  const shown = cause.length > MAX_CAUSE ? `${cause.slice(0, MAX_CAUSE)}...` : cause;
  // A cause is somebody else's text, often with line breaks.
  const oneLine = shown.replace(/\s+/g, ' ').replace(/\p{C}/gu, '?').trim();
  return oneLine === '' ? `it ended with ${error}` : `it ended with ${error}: ${oneLine}`;
}
