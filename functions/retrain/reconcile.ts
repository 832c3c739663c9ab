import type { ModelRepository } from '../inference/ports.ts';
import type { Conclude } from './conclude.ts';
import type { Dataset } from './datasets.ts';
import type { Considered, Gatekeeper } from './gatekeeper.ts';
import { isTerminal, type Ledger } from './ledger.ts';
import type { ExecutionState, Starter } from './ports.ts';
import type { Queue } from './queue.ts';

export type ReconcilerParts = {
  readonly dataset: Dataset;
  readonly models: ModelRepository;
  readonly gatekeeper: Gatekeeper;
  readonly conclude: Conclude;
  readonly ledger: Ledger;
  readonly queue: Queue;
  readonly starter: Starter;
  readonly now: () => Date;
};

/** An execution that was started a moment ago may not be found yet. */
const GRACE_MS = 15 * 60_000;

const REASONS: { readonly [state in Exclude<ExecutionState, 'running'>]: string } = {
  succeeded: 'the execution ended without saying how',
  failed: 'the execution failed before it could say why',
  stopped: 'the execution was stopped',
};

/** From time to time, whatever events came or were lost: no upload is forgotten, and no execution that is over holds up others. */
export class Reconciler {
  readonly #parts: ReconcilerParts;

  constructor(parts: ReconcilerParts) {
    this.#parts = parts;
  }

  /**
   * @returns what came of each model's data set
   * @throws AggregateError after all models, where some could not be looked at
   */
  async reconcile(): Promise<ReadonlyMap<string, Considered>> {
    const { dataset, models, gatekeeper } = this.#parts;
    const names = new Set([...(await dataset.models()), ...(await models.models())]);
    const considered = new Map<string, Considered>();
    const errors: unknown[] = [];
    for (const model of [...names].sort()) {
      try {
        await this.#endWhatIsOver(model);
        considered.set(model, await gatekeeper.consider(model));
      } catch (error) {
        errors.push(error);
      }
    }
    if (errors.length > 0)
      throw new AggregateError(errors, `${errors.length} models could not be reconciled: ${errors}`);
    return considered;
  }

  async #endWhatIsOver(model: string): Promise<void> {
    const { queue, ledger, starter, conclude, now } = this.#parts;
    const { running } = await queue.state(model);
    const entry = running && (await ledger.entry(model, running.id));
    if (entry?.execution === undefined || running === undefined || isTerminal(entry.state)) return;
    const found = await starter.state(model, entry.execution);
    if (found === 'running') return;
    if (found === undefined && now().getTime() - Date.parse(running.since) < GRACE_MS) return;
    const state = found === 'stopped' ? 'stopped' : 'failed';
    const text = `${REASONS[found ?? 'failed']}; expected a look at the history of the execution`;
    const reason = { code: state === 'stopped' ? 'stopped' : 'training-failed', text };
    await conclude.end({ model, id: entry.id, execution: entry.execution, state, reason });
  }
}
