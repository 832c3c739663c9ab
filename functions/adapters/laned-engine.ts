import type { Computed, Engine, LoadedModel, ModelId } from '../inference/ports.ts';
import type { ModelConfig } from '../protocol/model-config.ts';
import { zeros } from '../protocol/synthetic-tensor.ts';
import { elementCount, type Tensor } from '../protocol/tensor.ts';
import type { InlineModel } from './inline-model.ts';
import type { IsolatedEngine, IsolatedModel } from './isolated-engine.ts';
import { MAX_STATIC_BYTES } from './onnx-graph.ts';
import { sessionMemory } from './session-memory.ts';

/** A run must be this short to block the server's own thread: well under a millisecond. */
const INLINE_MS = 0.5;
/** A run this short gains nothing from a second thread. */
const INLINE_THREADS = 1;
/** Runs in the isolated lane, one after the other, that must be so short. */
const PROOFS = 3;
/** Inline runs this long, two in a row, take the proof back: a single one is the work of whoever else has the cores. */
const DISPROOF_MS = 10;
/** Combinations of input shapes that are remembered for one model. */
const MAX_SHAPES = 64;
/** Inputs up to so many elements are made up to try a model at its smallest shape. */
const MAX_TRIAL_ELEMENTS = 1_000_000;
const TRIAL_TIMEOUT_MS = 10_000;
const TRIAL_STOP_MS = 50;

/**
 * Chooses between the two lanes. Every model starts in the isolated lane. A model without control flow and
 * data-dependent shapes moves into the server's own process, one combination of input shapes at a time, once that
 * combination has been measured to run in well under a millisecond: there the hop to a child process would cost more
 * than the model.
 */
export class LanedEngine implements Engine {
  readonly #isolated: IsolatedEngine;

  constructor(isolated: IsolatedEngine) {
    this.#isolated = isolated;
  }

  get target(): Engine['target'] {
    return this.#isolated.target;
  }

  async load(id: ModelId, path: string, config: ModelConfig): Promise<LoadedModel> {
    const loading = this.#isolated.load(id, path, config);
    // Meanwhile.
    void importInline();
    const isolated = await loading;
    if (!isolated.isStatic) return isolated;
    const model = new LanedModel(isolated);
    await model.tryOut();
    return model;
  }

  /** The server's own process keeps what a load needed for a while, as it is not started with ALLOCATION. */
  memoryOf(bytes: number, isShared = false): number {
    return this.#isolated.memoryOf(bytes, isShared) + (bytes > MAX_STATIC_BYTES ? 0 : 3 * sessionMemory(bytes));
  }

  close(): Promise<void> {
    return this.#isolated.close();
  }
}

/** ONNX Runtime in this process, which is needed by the first fast model. */
function importInline(): Promise<typeof import('./inline-model.ts')> {
  return import('./inline-model.ts');
}

class LanedModel implements LoadedModel {
  readonly #isolated: IsolatedModel;
  /** How many short runs in a row each combination of shapes has had. */
  readonly #proofs = new Map<string, number>();
  /** The combinations whose last inline run was a long one. */
  readonly #doubts = new Set<string>();
  #inline: InlineModel | undefined;
  #loadingInline = false;
  #unloaded = false;

  constructor(isolated: IsolatedModel) {
    this.#isolated = isolated;
  }

  get inputs(): LoadedModel['inputs'] {
    return this.#isolated.inputs;
  }

  get outputs(): LoadedModel['outputs'] {
    return this.#isolated.outputs;
  }

  get pending(): number {
    return this.#isolated.pending;
  }

  capacity(inputs: readonly Tensor[]): number {
    const inline = this.#isProven(shapesOf(inputs)) ? this.#inline : undefined;
    return (inline ?? this.#isolated).capacity();
  }

  async run(inputs: readonly Tensor[], outputNames: readonly string[], deadline: number): Promise<Computed> {
    const shapes = shapesOf(inputs);
    if (this.#inline !== undefined && this.#isProven(shapes)) {
      const computed = await this.#inline.run(inputs, outputNames, deadline);
      if (computed.timing.infer > DISPROOF_MS) this.#doubt(shapes);
      else this.#doubts.delete(shapes);
      return computed;
    }
    const computed = await this.#isolated.run(inputs, outputNames, deadline);
    this.#note(shapes, computed.timing.infer);
    return computed;
  }

  /** Runs the model on zeros of its smallest shape, so that a fast model is inline from its first request on. */
  async tryOut(): Promise<void> {
    const elements = this.inputs.map(({ shape }) => Math.abs(elementCount(shape)));
    if (elements.some((count) => count > MAX_TRIAL_ELEMENTS)) return;
    const inputs = this.inputs.map(zeros);
    const names = this.outputs.map(({ name }) => name);
    try {
      // The first run of a session is never a short one, so it proves nothing; but one this long says enough.
      for (let i = 0; i <= PROOFS; i++) {
        const { timing } = await this.run(inputs, names, performance.now() + TRIAL_TIMEOUT_MS);
        if (timing.infer > TRIAL_STOP_MS) break;
      }
    } catch {
      // Not every model takes zeros. Then its first real requests are the trial.
    }
    if (this.#isProven(shapesOf(inputs))) await this.#loadInline();
  }

  async unload(): Promise<void> {
    this.#unloaded = true;
    await this.#isolated.unload();
    const inline = this.#inline;
    this.#inline = undefined;
    await inline?.unload();
  }

  #isProven(shapes: string): boolean {
    return (this.#proofs.get(shapes) ?? 0) >= PROOFS;
  }

  #doubt(shapes: string): void {
    if (this.#doubts.delete(shapes)) this.#proofs.delete(shapes);
    else this.#doubts.add(shapes);
  }

  #note(shapes: string, inferMs: number): void {
    const proofs = inferMs < INLINE_MS ? (this.#proofs.get(shapes) ?? 0) + 1 : 0;
    if (proofs > 0 && (this.#proofs.has(shapes) || this.#proofs.size < MAX_SHAPES)) this.#proofs.set(shapes, proofs);
    else this.#proofs.delete(shapes);
    if (proofs >= PROOFS) void this.#loadInline();
  }

  async #loadInline(): Promise<void> {
    if (this.#loadingInline || this.#unloaded) return;
    this.#loadingInline = true;
    try {
      const { InlineModel } = await importInline();
      const inline = await InlineModel.load(this.#isolated.path, this.#isolated.config, INLINE_THREADS);
      if (this.#unloaded) await inline.unload();
      else this.#inline = inline;
    } catch {
      // The isolated lane goes on serving; the file was replaced or removed.
    }
  }
}

function shapesOf(inputs: readonly Tensor[]): string {
  return inputs.map(({ name, shape }) => `${name}:${shape}`).join(';');
}
