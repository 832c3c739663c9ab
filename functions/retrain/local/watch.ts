import { setTimeout as sleep } from 'node:timers/promises';
import { isModelName } from '../../protocol/names.ts';
import type { Loop } from '../compose.ts';
import type { Considered } from '../gatekeeper.ts';
import { Changes } from './changes.ts';
import type { Executions } from './executions.ts';
import type { Show } from './progress.ts';
import type { Workflow } from './workflow.ts';

export type WatchParts = Pick<Loop, 'gatekeeper' | 'reconciler'> & {
  /** The folder of data sets. */
  readonly datasets: string;
  readonly executions: Executions;
  readonly workflow: Workflow;
  readonly show: Show;
};

/** Everything is looked at so often, whatever the system says of changes. */
const INTERVAL_MS = 10_000;
/** Files that come together are looked at together. */
const TOGETHER_MS = 200;
/** How soon a run begins that was started in another terminal. */
const POLL_MS = 500;
/** After something went wrong. */
const PAUSE_MS = 10_000;

/** What EventBridge, queues and an hourly timer do on AWS: whatever comes is considered when it is quiet, and what was started is run, one after the other. */
export class Watch {
  readonly #parts: WatchParts;
  /** When a model is to be looked at, in milliseconds since 1970. */
  readonly #due = new Map<string, number>();
  #wake = new AbortController();
  #lastProblem = '';
  /** What was said of each model last. */
  readonly #said = new Map<string, string>();

  constructor(parts: WatchParts) {
    this.#parts = parts;
  }

  /** Goes on until the signal ends it. */
  async run(signal: AbortSignal): Promise<void> {
    const changes = new Changes(this.#parts.datasets, (model) => this.#changed(model));
    const over = new AbortController();
    const ends = AbortSignal.any([signal, over.signal]);
    try {
      await Promise.all([this.#look(changes, ends), this.#work(ends)]);
    } finally {
      over.abort();
      changes.close();
    }
  }

  #changed(model: string): void {
    if (!isModelName(model)) return;
    this.#lookAt(model, TOGETHER_MS);
    this.#wake.abort();
  }

  #lookAt(model: string, inMs: number): void {
    const at = Date.now() + inMs;
    this.#due.set(model, Math.min(at, this.#due.get(model) ?? at));
  }

  async #look(changes: Changes, signal: AbortSignal): Promise<void> {
    const { gatekeeper, reconciler } = this.#parts;
    let all = 0;
    while (!signal.aborted) {
      this.#wake = new AbortController();
      const due = [...this.#due].filter(([, at]) => at <= Date.now()).map(([model]) => model);
      for (const model of due) this.#due.delete(model);
      await this.#trying(async () => {
        // Folders first: what comes into one that is not watched yet is found by the look.
        if (due.length > 0 || Date.now() >= all) await changes.refresh();
        for (const model of due) this.#considered(model, await gatekeeper.consider(model));
        if (Date.now() < all) return;
        all = Date.now() + INTERVAL_MS;
        for (const [model, found] of await reconciler.reconcile()) this.#considered(model, found);
      });
      await pause(Math.min(all, ...this.#due.values()) - Date.now(), AbortSignal.any([signal, this.#wake.signal]));
    }
  }

  #considered(model: string, found: Considered): void {
    if (found.outcome === 'not-quiet') this.#lookAt(model, found.seconds * 1_000);
    if (found.outcome === 'changed') this.#lookAt(model, TOGETHER_MS);
    const said = JSON.stringify({ ...found, seconds: 0, newest: [], state: '' });
    if (this.#said.get(model) === said) return;
    this.#said.set(model, said);
    this.#parts.show({ event: 'considered', model, ...found });
  }

  async #work(signal: AbortSignal): Promise<void> {
    const { executions, workflow } = this.#parts;
    while (!signal.aborted) {
      const isDone = await this.#trying(async () => {
        const [next] = await executions.running();
        if (next === undefined) await pause(POLL_MS, signal);
        else await workflow.run(next, signal);
      });
      if (!isDone) await pause(PAUSE_MS, signal);
    }
  }

  /** @returns whether it was done; a problem is shown, once where it comes again and again */
  async #trying(work: () => Promise<void>): Promise<boolean> {
    try {
      await work();
      return true;
    } catch (error) {
      const text = String((error as Error).message ?? error);
      if (text !== this.#lastProblem) this.#parts.show({ event: 'problem', text });
      this.#lastProblem = text;
      return false;
    }
  }
}

async function pause(ms: number, signal: AbortSignal): Promise<void> {
  await sleep(Math.max(0, ms), undefined, { signal }).catch(() => {});
}
