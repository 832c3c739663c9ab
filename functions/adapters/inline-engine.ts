import type { Computed, Engine, LoadedModel, ModelId, RuntimeTarget } from '../inference/ports.ts';
import { DeadlineExceeded } from '../protocol/errors.ts';
import type { ModelConfig } from '../protocol/model-config.ts';
import type { Tensor } from '../protocol/tensor.ts';
import { threadsFor } from './model-threads.ts';
import { OrtSession } from './onnxruntime.ts';
import { runtimeTarget } from './onnxruntime-target.ts';
import { RunGroup } from './run-group.ts';
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

/** A model whose runs block this process. */
export class InlineModel implements LoadedModel {
  readonly #session: OrtSession;
  readonly #group = new RunGroup();
  readonly pending = 0;
  #running = 0;
  #unloaded = false;

  private constructor(session: OrtSession) {
    this.#session = session;
  }

  static async load(path: string, config: ModelConfig, threads: number): Promise<InlineModel> {
    return new InlineModel(await OrtSession.load(path, config, threads));
  }

  get inputs(): LoadedModel['inputs'] {
    return this.#session.inputs;
  }

  get outputs(): LoadedModel['outputs'] {
    return this.#session.outputs;
  }

  capacity(): number {
    return Number.POSITIVE_INFINITY;
  }

  async run(inputs: readonly Tensor[], outputNames: readonly string[], deadline: number): Promise<Computed> {
    const askedAt = performance.now();
    if (askedAt > deadline) throw new DeadlineExceeded('the deadline passed before the model could start');
    this.#running++;
    let startedAt = askedAt;
    try {
      // ONNX Runtime computes in an immediate of its own; until then the process reads what else has come in.
      setImmediate(() => {
        startedAt = performance.now();
      });
      return await this.#group.add(async () => {
        const outputs = await this.#session.run(inputs, outputNames);
        const infer = performance.now() - startedAt;
        return { outputs, timing: { queue: startedAt - askedAt, input: 0, infer, output: 0 } };
      });
    } finally {
      this.#running--;
      if (this.#unloaded) await this.#releaseWhenIdle();
    }
  }

  async unload(): Promise<void> {
    this.#unloaded = true;
    await this.#releaseWhenIdle();
  }

  /** ONNX Runtime starts a run a moment after it was asked to: a session that is released meanwhile is gone then. */
  async #releaseWhenIdle(): Promise<void> {
    if (this.#unloaded && this.#running === 0) await this.#session.release();
  }
}
