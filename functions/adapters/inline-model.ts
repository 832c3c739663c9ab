import type { Computed, LoadedModel } from '../inference/ports.ts';
import { DeadlineExceeded } from '../protocol/errors.ts';
import type { ModelConfig } from '../protocol/model-config.ts';
import type { Tensor } from '../protocol/tensor.ts';
import { OrtSession } from './onnxruntime.ts';
import { RunGroup } from './run-group.ts';

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
