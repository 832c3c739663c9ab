import type { Content, ModelRepository } from '../inference/ports.ts';
import { Budget } from './budget.ts';
import { Conclude } from './conclude.ts';
import type { Dataset } from './datasets.ts';
import { Gatekeeper } from './gatekeeper.ts';
import type { HeldOut } from './held-out.ts';
import type { Decode } from './inspect.ts';
import { Ledger } from './ledger.ts';
import type { Notifier, Starter } from './ports.ts';
import { Queue } from './queue.ts';
import { Reconciler } from './reconcile.ts';
import { Runs } from './runs.ts';
import { Snapshots } from './snapshot.ts';

/** Everything outside that the guards meet; a folder and S3 alike. */
export type Outside = {
  /** Copies to where `snapshots` is rooted. */
  readonly dataset: Dataset;
  /** `models/` */
  readonly models: ModelRepository;
  /** `snapshots/` */
  readonly snapshots: ModelRepository;
  /** `control/ledger/` */
  readonly ledger: ModelRepository;
  /** `control/budget/` */
  readonly budget: ModelRepository;
  readonly heldOut: HeldOut;
  readonly starter: Starter;
  readonly notifier: Notifier;
  /** Where the snapshot of an upload is, for the training job. */
  readonly snapshotAt: (model: string, id: string) => string;
  readonly decode: Decode;
  readonly content: (text: string) => Content;
  /** In place of what each training.json says. */
  readonly quietSeconds?: number | undefined;
  readonly now: () => Date;
};

export type Loop = {
  readonly gatekeeper: Gatekeeper;
  readonly reconciler: Reconciler;
  readonly conclude: Conclude;
  readonly ledger: Ledger;
  readonly queue: Queue;
  readonly budget: Budget;
  readonly runs: Runs;
  readonly snapshots: Snapshots;
};

/** Puts the guards together. */
export function loopOf(outside: Outside): Loop {
  const { dataset, models, starter, notifier, heldOut, snapshotAt, decode, content, quietSeconds, now } = outside;
  const ledger = new Ledger(outside.ledger);
  const queue = new Queue(outside.ledger);
  const budget = new Budget(outside.budget, content);
  const snapshots = new Snapshots(outside.snapshots, dataset, content);
  const runs = new Runs({ ledger, queue, budget, starter, notifier, models, snapshotAt, now });
  const control = outside.ledger;
  const shared = { dataset, models, ledger, queue, now };
  const gatekeeper = new Gatekeeper({ ...shared, control, snapshots, heldOut, runs, decode, quietSeconds });
  const conclude = new Conclude(ledger, runs, now);
  const reconciler = new Reconciler({ ...shared, gatekeeper, conclude, starter });
  return { gatekeeper, reconciler, conclude, ledger, queue, budget, runs, snapshots };
}
