import { liveVersion } from '../inference/live-version.ts';
import type { ModelRepository } from '../inference/ports.ts';
import type { Loop } from './compose.ts';
import type { LedgerEntry } from './ledger.ts';
import { guardsOf } from './training-file.ts';

/** How the loop stands with a model. */
export type Status = {
  readonly model: string;
  readonly live: string | undefined;
  readonly running: LedgerEntry | undefined;
  readonly pending: LedgerEntry | undefined;
  /** The last upload that has come to an end. */
  readonly last: LedgerEntry | undefined;
  /** Jobs of today (UTC): started, and allowed; undefined where the model is not trained here. */
  readonly jobs: { readonly started: number; readonly allowed: number } | undefined;
};

/** @throws ModelRejected for a release.json that can't be read */
export async function statusOf(
  { ledger, queue, budget }: Pick<Loop, 'ledger' | 'queue' | 'budget'>,
  models: ModelRepository,
  model: string,
  now: Date,
): Promise<Status> {
  const [{ running, pending }, entries, stored, started] = await Promise.all([
    queue.state(model),
    ledger.entries(model),
    models.find(model),
    budget.taken(model, now),
  ]);
  // One that can't be used is told when something is uploaded.
  const allowed = await guardsOf(models, model).then(
    ({ dailyJobs }) => dailyJobs,
    () => undefined,
  );
  const entryOf = (queued: { readonly id: string } | undefined) => entries.find(({ id }) => id === queued?.id);
  const ended = entries.filter(({ notice }) => notice !== undefined);
  return {
    model,
    live: liveVersion(stored),
    running: entryOf(running),
    pending: entryOf(pending),
    last: ended.sort((a, b) => (endOf(a) < endOf(b) ? -1 : 1)).at(-1),
    jobs: allowed === undefined ? undefined : { started, allowed },
  };
}

function endOf({ history }: LedgerEntry): string {
  return history.at(-1)?.at ?? '';
}
