import type { Ledger } from '../ledger.ts';
import type { FailedRuns, WaitingRun } from '../ports.ts';

/** The ledger of one machine itself says what has failed and was not started again. */
export class LedgerFailedRuns implements FailedRuns {
  readonly #ledger: Ledger;
  readonly #models: () => Promise<readonly string[]>;

  constructor(ledger: Ledger, models: () => Promise<readonly string[]>) {
    this.#ledger = ledger;
    this.#models = models;
  }

  async waiting(wanted: string | undefined): Promise<readonly WaitingRun[]> {
    const runs: WaitingRun[] = [];
    for (const model of wanted === undefined ? await this.#models() : [wanted]) {
      for (const { id, state, execution } of await this.#ledger.entries(model)) {
        if (state === 'failed' && execution !== undefined) runs.push({ model, id, execution });
      }
    }
    return runs;
  }

  async remove(): Promise<void> {}
}
