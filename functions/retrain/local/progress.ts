import type { StoredDecision } from '../decisions.ts';
import type { Considered } from '../gatekeeper.ts';
import type { Step } from './executions.ts';

/** What whoever watches is shown as it happens. */
export type Progress =
  | { readonly event: 'watching'; readonly datasets: string; readonly repository: string }
  | ({ readonly event: 'considered'; readonly model: string } & Considered)
  /** A run begins, or goes on after a restart. */
  | { readonly event: 'started'; readonly model: string; readonly execution: string; readonly step: Step }
  /** A line of the training program. */
  | { readonly event: 'training'; readonly model: string; readonly line: string }
  | { readonly event: 'judged'; readonly model: string; readonly decision: StoredDecision }
  /** What became of the compilation of a model that was let through. */
  | { readonly event: 'compiled'; readonly model: string; readonly text: string }
  /** What people are told of the end. */
  | {
      readonly event: 'notified';
      readonly subject: string;
      readonly text: string;
      readonly fields: { readonly [name: string]: string };
    }
  /** Something could not be done, and is tried again. */
  | { readonly event: 'problem'; readonly text: string };

export type Show = (progress: Progress) => void;
