import type { ModelRepository } from '../inference/ports.ts';
import { Documents } from './documents.ts';
import { inParallel } from './in-parallel.ts';
import type { Report } from './validate.ts';

/** On the way: it ends in one of the terminal states. */
export const OPEN_STATES = ['accepted', 'pending', 'running', 'training', 'evaluating'] as const;
export const TERMINAL_STATES = ['promoted', 'rejected', 'failed', 'superseded', 'stopped'] as const;

export type OpenState = (typeof OPEN_STATES)[number];
export type TerminalState = (typeof TERMINAL_STATES)[number];
export type State = OpenState | TerminalState;

/** What became of an upload: `control/ledger/<model>/<id>.json`. */
export type LedgerEntry = {
  readonly model: string;
  readonly id: string;
  readonly state: State;
  /** When the data set was listed, ISO 8601: of two uploads the one that was listed later is the newer. */
  readonly listed_at: string;
  /** Hash of the guards that the upload was held against. */
  readonly guards: string;
  /** Why it ended as it did. */
  readonly reason?: Reason;
  /** What was found in the data. */
  readonly report?: Report;
  /** From oldest to newest. */
  readonly history: readonly LedgerEvent[];
  /** How often somebody had it trained on again. */
  readonly rerun: number;
  /** Once it was started. */
  readonly execution?: string;
  /** What the workflow said of the end: the training job, the decision, the version that was made. */
  readonly job?: string;
  readonly decision?: object;
  readonly version?: string;
  /** Of a terminal state: who has undertaken to tell people, since when, and when they were told. */
  readonly notice?: { readonly claimed_at: string; readonly sent_at?: string };
};

export type Reason = { readonly code: string; readonly text: string };
export type LedgerEvent = { readonly at: string; readonly state: State; readonly reason?: Reason };

/** What an entry says beside its state. */
export type Details = Partial<
  Pick<
    LedgerEntry,
    'reason' | 'report' | 'execution' | 'job' | 'decision' | 'version' | 'listed_at' | 'guards' | 'rerun'
  >
>;

/** The ledger's folder holds these too. */
const OTHER_DOCUMENTS = ['queue.json', 'latest.json'];
const AT_ONCE = 16;

/** Every upload that was considered, with what became of it. */
export class Ledger {
  readonly #repository: ModelRepository;
  readonly #documents: Documents<LedgerEntry>;

  /** @param repository of what is below `control/ledger/` */
  constructor(repository: ModelRepository) {
    this.#repository = repository;
    this.#documents = new Documents(repository);
  }

  entry(model: string, id: string): Promise<LedgerEntry | undefined> {
    return this.#documents.read(model, `${id}.json`);
  }

  /** All of a model, from oldest to newest. */
  async entries(model: string): Promise<readonly LedgerEntry[]> {
    const names = [...(await this.#repository.files(model)).keys()].filter((name) => !OTHER_DOCUMENTS.includes(name));
    const entries = await inParallel(names, AT_ONCE, (name) => this.#documents.read(model, name));
    return entries
      .filter((entry) => entry !== undefined)
      .sort((a, b) => ((a.history[0]?.at ?? '') < (b.history[0]?.at ?? '') ? -1 : 1));
  }

  /**
   * Makes the entry of an upload in its first state, or opens one again.
   * @param mayReopen whether what is there is to be tried again
   * @returns what is there afterwards, and whether this call has made it so
   */
  async open(
    entry: Pick<LedgerEntry, 'model' | 'id' | 'listed_at' | 'guards'> & Details,
    state: 'accepted' | 'rejected',
    now: Date,
    mayReopen: (found: LedgerEntry) => boolean,
  ): Promise<{ entry: LedgerEntry; changed: boolean }> {
    const { found, changed } = await this.#documents.update(entry.model, `${entry.id}.json`, (before): LedgerEntry => {
      if (before !== undefined && !mayReopen(before)) return before;
      const { reason: _, notice: __, ...kept } = before ?? { history: [], rerun: 0, state };
      return withState({ ...kept, ...entry, state } as LedgerEntry, state, entry, now);
    });
    return { entry: found, changed };
  }

  /**
   * Changes the state of an upload, where it may. Of many who do so at the same time one does, and is told so.
   * @returns what is there afterwards; undefined where there is no entry
   */
  async change(
    model: string,
    id: string,
    when: (entry: LedgerEntry) => boolean,
    to: State,
    details: Details,
    now: Date,
  ): Promise<{ entry: LedgerEntry | undefined; changed: boolean }> {
    const { found, changed } = await this.#documents.update(model, `${id}.json`, (entry) =>
      entry === undefined || !when(entry) ? entry : withState(entry, to, details, now),
    );
    return { entry: found, changed };
  }

  /**
   * Undertakes to tell people of the end, in place of somebody who has not done so for long.
   * @param lease in milliseconds
   * @returns what is there afterwards, and whether it is this call that has undertaken it
   */
  async claimNotice(
    model: string,
    id: string,
    lease: number,
    now: Date,
  ): Promise<{ entry: LedgerEntry | undefined; changed: boolean }> {
    const { found, changed } = await this.#documents.update(model, `${id}.json`, (entry) => {
      const { claimed_at, sent_at } = entry?.notice ?? {};
      const isDue = claimed_at !== undefined && sent_at === undefined && now.getTime() - Date.parse(claimed_at) > lease;
      return entry !== undefined && isDue ? { ...entry, notice: { claimed_at: now.toISOString() } } : entry;
    });
    return { entry: found, changed };
  }

  async noticeSent(model: string, id: string, now: Date): Promise<void> {
    await this.#documents.update(model, `${id}.json`, (entry) =>
      entry?.notice === undefined || entry.notice.sent_at !== undefined
        ? entry
        : { ...entry, notice: { ...entry.notice, sent_at: now.toISOString() } },
    );
  }
}

export function isTerminal(state: State): state is TerminalState {
  return (TERMINAL_STATES as readonly State[]).includes(state);
}

/** Whoever makes an end of it undertakes in the same write to tell people: so one does. */
function withState(entry: LedgerEntry, state: State, details: Details, now: Date): LedgerEntry {
  const at = now.toISOString();
  const event: LedgerEvent = { at, state, ...(details.reason === undefined ? {} : { reason: details.reason }) };
  return {
    ...entry,
    ...details,
    state,
    history: [...entry.history, event],
    ...(isTerminal(state) ? { notice: { claimed_at: at } } : {}),
  };
}
