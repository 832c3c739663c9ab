import type { ModelRepository } from '../inference/ports.ts';
import { Documents } from './documents.ts';

/** `control/ledger/<model>/queue.json`: at most one upload of a model is trained on, and at most one waits. */
export type QueueState = {
  readonly running?: Queued & { readonly since: string; readonly execution?: string };
  readonly pending?: Queued;
  /** The newest that was ever offered: what is older and not in the queue has nothing to do there any more. */
  readonly newest?: Queued;
  /** Uploads whose end people were not told of yet, and since when they are here: what a crash may have left half done. */
  readonly open?: readonly { readonly id: string; readonly since: string }[];
};

export type Queued = { readonly id: string /** ISO 8601 */; readonly listed_at: string };

const QUEUE_FILE = 'queue.json';

/** Of two uploads the one that was listed later; of the same moment, the same one for everybody. */
function isNewer(a: Queued, b: Queued): boolean {
  return a.listed_at === b.listed_at ? a.id > b.id : a.listed_at > b.listed_at;
}

/** An upload is written down before anything is done about it, so that nothing is forgotten; again by whoever begins anew. */
export function withOpen(queue: QueueState, id: string, at: string): QueueState {
  const others = (queue.open ?? []).filter((entry) => entry.id !== id);
  return { ...queue, open: [...others, { id, since: at }] };
}

/** People know how it ended: nothing is left to do. */
export function withoutOpen(queue: QueueState, id: string): QueueState {
  const { open = [] } = queue;
  return open.some((entry) => entry.id === id) ? { ...queue, open: open.filter((entry) => entry.id !== id) } : queue;
}

/**
 * An upload wants to be trained on. It runs where nothing does; else the newest waits. What is older than the newest that was ever
 * offered, and not in the queue, does not come in: its content is in the newer one, or was taken back.
 */
export function withOffer(queue: QueueState, offered: Queued, at: string): QueueState {
  const { running, pending, newest } = queue;
  const isNewest = newest === undefined || newest.id === offered.id || isNewer(offered, newest);
  if (running?.id === offered.id) {
    if (!isNewest || pending === undefined || !isNewer(offered, pending)) return queue;
    // What runs is again what is there: the one that waits is of yesterday.
    const { pending: _, ...rest } = queue;
    return { ...rest, newest: offered };
  }
  if (pending?.id === offered.id || !isNewest) return queue;
  const opened = withOpen(queue, offered.id, at);
  if (running === undefined && pending === undefined)
    return { ...opened, running: { ...offered, since: at }, newest: offered };
  return { ...opened, pending: offered, newest: offered };
}

/** An upload's run is over, or there is none: the one that waits runs. */
export function withNext(queue: QueueState, ended: string | undefined, at: string): QueueState {
  const { running, pending, ...rest } = queue;
  if (running?.id !== ended) return queue;
  if (pending === undefined) return running === undefined ? queue : rest;
  return { ...rest, running: { ...pending, since: at } };
}

/** Takes an upload out that must not start. */
export function without(queue: QueueState, id: string): QueueState {
  if (queue.pending?.id !== id) return queue;
  const { pending: _, ...rest } = queue;
  return rest;
}

/** The queue of each model, changed by one conditional write at a time. */
export class Queue {
  readonly #documents: Documents<QueueState>;

  /** @param repository of what is below `control/ledger/` */
  constructor(repository: ModelRepository) {
    this.#documents = new Documents(repository);
  }

  async state(model: string): Promise<QueueState> {
    return (await this.#documents.read(model, QUEUE_FILE)) ?? {};
  }

  /** @returns the queue afterwards, and whether this call has changed it */
  async change(
    model: string,
    change: (queue: QueueState) => QueueState,
  ): Promise<{ queue: QueueState; changed: boolean }> {
    const nothing: QueueState = {};
    const { found, changed } = await this.#documents.update(model, QUEUE_FILE, (found = nothing) => change(found));
    return { queue: found, changed };
  }
}
