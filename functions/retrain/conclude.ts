import { type Details, isTerminal, type Ledger, type LedgerEntry, type TerminalState } from './ledger.ts';
import { executionName } from './ports.ts';
import type { Runs } from './runs.ts';

/** How an execution has ended. */
export type Ended = {
  readonly model: string;
  readonly id: string;
  /** The name of the execution: the end of an earlier one is not that of a later one. */
  readonly execution: string;
  readonly state: TerminalState;
} & Pick<Details, 'reason' | 'job' | 'decision' | 'version'>;

/** Writes the end of an execution down, tells people, and starts what has waited for it. To do so again does no harm. */
export class Conclude {
  readonly #ledger: Ledger;
  readonly #runs: Runs;
  readonly #now: () => Date;

  constructor(ledger: Ledger, runs: Runs, now: () => Date) {
    this.#ledger = ledger;
    this.#runs = runs;
    this.#now = now;
  }

  /** @returns the entry afterwards, which somebody else may have ended in another way; undefined where there is none */
  async end({ model, id, state, ...details }: Ended): Promise<LedgerEntry | undefined> {
    const mayEnd = (entry: LedgerEntry): boolean =>
      !isTerminal(entry.state) && executionName(entry) === details.execution;
    const { entry, changed } = await this.#ledger.change(model, id, mayEnd, state, details, this.#now());
    try {
      if (changed && entry !== undefined) await this.#runs.tell(entry);
    } finally {
      // Whether people could be told or not: others wait.
      await this.#runs.settle(model);
    }
    return entry;
  }
}
