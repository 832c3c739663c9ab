import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { DirectoryRepository } from '../../adapters/directory-repository.ts';
import { nothingThere } from '../../adapters/directory-store.ts';
import { isModelName } from '../../protocol/names.ts';
import { Documents } from '../documents.ts';
import { type ExecutionInput, type ExecutionState, executionName, type Starter, type Stopper } from '../ports.ts';

/** What an execution is at. */
export type Step = 'train' | 'judge' | 'promote';

/** `executions/<model>/<name>.json` */
export type Execution = {
  readonly model: string;
  readonly id: string;
  readonly snapshot: string;
  readonly name: string;
  readonly state: ExecutionState;
  readonly step: Step;
  /** ISO 8601, in UTC. */
  readonly started_at: string;
  /** Why it was stopped. */
  readonly reason?: string;
};

/** An execution that can't be stopped now; the message says why. */
export class NotStopped extends Error {}

/**
 * The executions of one machine, in place of Step Functions: a document each, changed under a condition. To start one is to write it down;
 * whoever watches runs it, now or after a restart.
 */
export class Executions implements Starter, Stopper {
  readonly #root: string;
  readonly #documents: Documents<Execution>;
  /** What has ended stays so, and is not read again. */
  readonly #ended = new Set<string>();

  /** @param root the folder of the documents */
  constructor(root: string) {
    this.#root = root;
    this.#documents = new Documents(new DirectoryRepository(root));
  }

  async start(input: ExecutionInput): Promise<string> {
    const { model, id, snapshot } = input;
    const name = executionName(input);
    await this.#documents.update(model, fileOf(name), (found): Execution => {
      const started_at = new Date().toISOString();
      return found ?? { model, id, snapshot, name, state: 'running', step: 'train', started_at };
    });
    return name;
  }

  execution(model: string, name: string): Promise<Execution | undefined> {
    return this.#documents.read(model, fileOf(name));
  }

  async state(model: string, execution: string): Promise<ExecutionState | undefined> {
    return (await this.execution(model, execution))?.state;
  }

  /** @throws NotStopped */
  async stop(model: string, execution: string, reason: string): Promise<void> {
    const { found } = await this.#documents.update(model, fileOf(execution), (found) =>
      found?.state === 'running' && found.step !== 'promote' ? { ...found, state: 'stopped', reason } : found,
    );
    if (found?.state === 'running') {
      throw new NotStopped(
        `${execution} of '${model}' has passed the gates and is being promoted; nothing was stopped`,
      );
    }
  }

  /** Goes on to a step. @returns whether it may: false where it was stopped */
  async advance({ model, name }: Execution, step: Step): Promise<boolean> {
    const { found } = await this.#documents.update(model, fileOf(name), (found) =>
      found?.state !== 'running' || found.step === step ? found : { ...found, step },
    );
    return found?.state === 'running';
  }

  async end({ model, name }: Execution, state: 'succeeded' | 'failed'): Promise<void> {
    await this.#documents.update(model, fileOf(name), (found) =>
      found?.state === 'running' ? { ...found, state } : found,
    );
  }

  /** All that have not ended, from oldest to newest. */
  async running(): Promise<readonly Execution[]> {
    const running: Execution[] = [];
    for (const model of ((await readdir(this.#root).catch(nothingThere)) ?? []).filter(isModelName)) {
      for (const file of (await readdir(join(this.#root, model)).catch(nothingThere)) ?? []) {
        const key = `${model}/${file}`;
        if (file.startsWith('.') || this.#ended.has(key)) continue;
        const found = await this.#documents.read(model, file);
        if (found?.state === 'running') running.push(found);
        else this.#ended.add(key);
      }
    }
    return running.sort((a, b) => (a.started_at < b.started_at ? -1 : 1));
  }
}

function fileOf(execution: string): string {
  return `${execution}.json`;
}
