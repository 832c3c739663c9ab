import type { Engine, LoadedModel, ModelId, RuntimeTarget } from '../inference/ports.ts';
import type { ModelConfig } from '../protocol/model-config.ts';
import { InlineModel } from './inline-model.ts';
import { threadsFor } from './model-threads.ts';
import { runtimeTarget } from './onnxruntime-target.ts';
import { sessionMemory } from './session-memory.ts';

/**
 * Every model in this process. For Lambda, where an environment answers one request at a time, so that nobody waits
 * behind a run, and where the function's timeout ends a model that does not end by itself.
 */
export class InlineEngine implements Engine {
  readonly #cpus: number;

  /** @param cpus as many threads as one run may use at most */
  constructor(cpus: number) {
    this.#cpus = cpus;
  }

  get target(): RuntimeTarget {
    return runtimeTarget();
  }

  async load(_id: ModelId, path: string, config: ModelConfig): Promise<LoadedModel> {
    return InlineModel.load(path, config, threadsFor(path, this.#cpus));
  }

  memoryOf(bytes: number): number {
    return sessionMemory(bytes);
  }

  async close(): Promise<void> {}
}
