import type { ModelRepository } from '../inference/ports.ts';
import type { Budget } from './budget.ts';
import { isTerminal, type Ledger, type LedgerEntry } from './ledger.ts';
import { notificationOf } from './notification.ts';
import { executionName, type Notifier, type Starter } from './ports.ts';
import { type Queue, type QueueState, withNext, withOffer, withOpen, without, withoutOpen } from './queue.ts';
import { Rejected } from './rejection.ts';
import { guardsOf } from './training-file.ts';

export type RunsParts = {
  readonly ledger: Ledger;
  readonly queue: Queue;
  readonly budget: Budget;
  readonly starter: Starter;
  readonly notifier: Notifier;
  /** The repository, for training.json. */
  readonly models: ModelRepository;
  /** Where the snapshot of an upload is, for the training job. */
  readonly snapshotAt: (model: string, id: string) => string;
  readonly now: () => Date;
};

/** Who has undertaken to do something and has not done so for this long was killed: longer than a Lambda function may run. */
const LEASE_MS = 20 * 60_000;
/** More steps than ever follow from one event: a loop without end would cost money. */
const MAX_STEPS = 1_000;

/**
 * Brings ledger, queue and workflow in line. It looks at what is there and does the next thing that is missing, until nothing is: whoever was
 * killed between two writes is completed by whoever comes next. All of it may be done twice, and by several at the same time: an upload is
 * started under one name, takes one slot of the budget, and whoever makes an end of it in the ledger tells people.
 */
export class Runs {
  readonly #parts: RunsParts;

  constructor(parts: RunsParts) {
    this.#parts = parts;
  }

  /** Does all that is to be done for a model. */
  async settle(model: string): Promise<void> {
    for (let steps = 0; await this.#step(model); steps++) {
      if (steps === MAX_STEPS) throw new Error(`the queue of '${model}' does not come to rest`);
    }
  }

  /** An upload is written down before anything is done about it. */
  async note(model: string, id: string): Promise<void> {
    await this.#change(model, (queue) => withOpen(queue, id, this.#at()));
  }

  /** Nothing is to be done about an upload after all. */
  async forget(model: string, id: string): Promise<void> {
    await this.#change(model, (queue) => withoutOpen(queue, id));
  }

  /** Tells people how an upload has ended; for whoever has made the end. */
  async tell(entry: LedgerEntry): Promise<void> {
    const { subject, text, fields } = notificationOf(entry);
    await this.#parts.notifier.notify(subject, text, fields);
    await this.#parts.ledger.noticeSent(entry.model, entry.id, this.#parts.now());
    await this.forget(entry.model, entry.id);
  }

  /** @returns whether something was done: then there may be more to do */
  async #step(model: string): Promise<boolean> {
    const { ledger, queue } = this.#parts;
    const state = await queue.state(model);
    for (const { id, since } of state.open ?? []) {
      if (await this.#continue(model, id, since, state)) return true;
    }
    const { running, pending } = state;
    if (running === undefined) {
      return pending !== undefined && (await this.#change(model, (found) => withNext(found, undefined, this.#at())));
    }
    const entry = await ledger.entry(model, running.id);
    if (entry === undefined || isTerminal(entry.state)) {
      return this.#change(model, (found) => withNext(found, running.id, this.#at()));
    }
    if (isWaiting(entry)) return this.#start(entry);
    const { execution } = entry;
    return (
      running.execution === undefined &&
      execution !== undefined &&
      this.#change(model, withExecution(running.id, execution))
    );
  }

  /** Takes up an upload whose end people were not told of. */
  async #continue(model: string, id: string, since: string, { pending }: QueueState): Promise<boolean> {
    const { ledger, queue, now } = this.#parts;
    const entry = await ledger.entry(model, id);
    if (entry === undefined) {
      // Its gatekeeper is at work still, or was killed before it had copied the data.
      const isLeft = now().getTime() - Date.parse(since) > LEASE_MS;
      return isLeft && this.#change(model, (found) => withoutOpen(found, id));
    }
    if (isTerminal(entry.state)) {
      if (pending?.id === id) return this.#change(model, (found) => without(found, id));
      const { entry: told, changed } = await ledger.claimNotice(model, id, LEASE_MS, now());
      if (changed && told !== undefined) await this.tell(told);
      else if (told?.notice?.sent_at !== undefined) return this.#change(model, (found) => withoutOpen(found, id));
      return changed;
    }
    if (!isWaiting(entry)) return false;
    const offered = { id, listed_at: entry.listed_at };
    const { queue: after, changed } = await queue.change(model, (found) => withOffer(found, offered, this.#at()));
    if (after.running?.id === id) return changed;
    if (after.pending?.id === id) return (await this.#advance(entry, ['accepted'], 'pending')) || changed;
    return this.#advance(entry, ['accepted', 'pending'], 'superseded');
  }

  async #start(entry: LedgerEntry): Promise<boolean> {
    const { budget, models, starter, snapshotAt, now } = this.#parts;
    const { model, id, rerun } = entry;
    try {
      const { dailyJobs } = await guardsOf(models, model);
      if ((await budget.take({ model, execution: executionName(entry) }, dailyJobs, now())) === undefined) {
        throw new Rejected(
          'budget-exhausted',
          `${dailyJobs} jobs were started today (dailyJobs); the upload is looked at again tomorrow (UTC)`,
        );
      }
    } catch (error) {
      if (!(error instanceof Rejected)) throw error;
      const { code, message: text } = error;
      return this.#advance(entry, ['accepted', 'pending'], 'rejected', { reason: { code, text } });
    }
    const execution = await starter.start({ model, id, snapshot: snapshotAt(model, id), rerun });
    return this.#advance(entry, ['accepted', 'pending'], 'running', { execution });
  }

  /** Changes the state of an upload; tells people where that is its end. */
  async #advance(
    { model, id, rerun }: LedgerEntry,
    from: readonly LedgerEntry['state'][],
    to: LedgerEntry['state'],
    details: Pick<LedgerEntry, 'reason' | 'execution'> = {},
  ): Promise<boolean> {
    const mayChange = (found: LedgerEntry): boolean => from.includes(found.state) && found.rerun === rerun;
    const { entry, changed } = await this.#parts.ledger.change(model, id, mayChange, to, details, this.#parts.now());
    if (changed && entry !== undefined && isTerminal(to)) await this.tell(entry);
    return changed;
  }

  async #change(model: string, change: (queue: QueueState) => QueueState): Promise<boolean> {
    return (await this.#parts.queue.change(model, change)).changed;
  }

  #at(): string {
    return this.#parts.now().toISOString();
  }
}

function isWaiting({ state }: LedgerEntry): boolean {
  return state === 'accepted' || state === 'pending';
}

function withExecution(id: string, execution: string): (queue: QueueState) => QueueState {
  return (queue) =>
    queue.running?.id === id && queue.running.execution !== execution
      ? { ...queue, running: { ...queue.running, execution } }
      : queue;
}
