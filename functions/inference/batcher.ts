import { DeadlineExceeded, InvalidRequest, ModelFailed, Overloaded } from '../protocol/errors.ts';
import type { Tensor } from '../protocol/tensor.ts';
import { mergeRows, splitRows } from './batch.ts';
import type { Computed, LoadedModel } from './ports.ts';

export type BatcherSettings = {
  readonly model: string;
  readonly maxBatchSize: number;
  /** Numbers of rows that are run as soon as they can be had. */
  readonly preferred: readonly number[];
  /** Milliseconds that a request may wait for others. */
  readonly maxDelayMs: number;
  /** Requests that may wait; the next one is refused. */
  readonly maxQueue: number;
};

/** A model is quick that takes so many milliseconds for a row at most: one process computes about what the server reads. */
const QUICK_MS = 0.25;
/** Milliseconds after which a quick model's run, which is over by then as a rule, keeps no other one waiting. */
const QUICK_RUN_MS = 10;

type Waiting = {
  readonly inputs: readonly Tensor[];
  readonly outputNames: readonly string[];
  readonly rows: number;
  readonly deadline: number;
  readonly enqueuedAt: number;
  readonly resolve: (computed: Computed) => void;
  readonly reject: (error: unknown) => void;
  timer: NodeJS.Timeout | undefined;
};

/**
 * Triton's dynamic batching: requests that wait for a model are merged along the batch dimension and run as one.
 *
 * Requests run together when they differ only in their number of rows. While the model has room they run at once, or
 * after `maxDelayMs` if a preferred number of rows does not come together before. A quick model has one run at a time: two
 * would have half the rows each, and what a run costs beside its rows is what they share. Where a merged run fails, its
 * requests are run one by one, so that each gets its own answer or its own error.
 */
export class BatchingModel implements LoadedModel {
  readonly #loaded: LoadedModel;
  readonly #settings: BatcherSettings;
  /** Requests that could run together, under a key made of what they share. */
  readonly #groups = new Map<string, Waiting[]>();
  #waiting = 0;
  #running = 0;
  /** When the last run was started. */
  #startedAt = 0;
  /** Milliseconds that the last run took for each of its rows. */
  #msPerRow = Number.POSITIVE_INFINITY;
  #wakesAt: number | undefined;
  #unloaded = false;

  constructor(loaded: LoadedModel, settings: BatcherSettings) {
    this.#loaded = loaded;
    this.#settings = settings;
  }

  get inputs(): LoadedModel['inputs'] {
    return this.#loaded.inputs;
  }

  get outputs(): LoadedModel['outputs'] {
    return this.#loaded.outputs;
  }

  get pending(): number {
    return this.#waiting + this.#loaded.pending;
  }

  capacity(inputs: readonly Tensor[]): number {
    return this.#loaded.capacity(inputs);
  }

  run(inputs: readonly Tensor[], outputNames: readonly string[], deadline: number): Promise<Computed> {
    const { model, maxQueue, maxDelayMs } = this.#settings;
    const runsAtOnce = this.#waiting === 0 && maxQueue > 0 && maxDelayMs === 0;
    if (runsAtOnce && this.#roomFrom(inputs) <= performance.now()) return this.#runNow(inputs, outputNames, deadline);
    return new Promise((resolve, reject) => {
      if (this.#waiting >= maxQueue) {
        reject(new Overloaded(`model '${model}' has ${maxQueue} requests waiting; try again later`, 1));
        return;
      }
      const enqueuedAt = performance.now();
      const rows = inputs[0]?.shape[0] ?? 0;
      const request: Waiting = { inputs, outputNames, rows, deadline, enqueuedAt, resolve, reject, timer: undefined };
      request.timer = setTimeout(() => this.#onDeadline(request), Math.max(0, deadline - enqueuedAt));
      const key = keyOf(request);
      const group = this.#groups.get(key);
      if (group === undefined) this.#groups.set(key, [request]);
      else group.push(request);
      this.#waiting++;
      this.#dispatch();
    });
  }

  /** Requests that wait are still answered. */
  async unload(): Promise<void> {
    this.#unloaded = true;
    await this.#unloadWhenIdle();
  }

  async #unloadWhenIdle(): Promise<void> {
    if (this.#unloaded && this.#waiting + this.#running === 0) await this.#loaded.unload();
  }

  /** A request that nobody is before, and that waits for nobody. */
  async #runNow(inputs: readonly Tensor[], outputNames: readonly string[], deadline: number): Promise<Computed> {
    this.#running++;
    try {
      return await this.#compute(inputs, outputNames, deadline);
    } finally {
      await this.#onEnd();
    }
  }

  /** When there is room for another run, 0: at once. Infinity: not before one ends. */
  #roomFrom(inputs: readonly Tensor[]): number {
    const capacity = this.#loaded.capacity(inputs);
    if (this.#running >= capacity) return Number.POSITIVE_INFINITY;
    // Runs without a limit are those in this process, where there is no second process to wait for.
    const isQuick = this.#msPerRow < QUICK_MS && Number.isFinite(capacity);
    return isQuick && this.#running > 0 ? this.#startedAt + QUICK_RUN_MS : 0;
  }

  async #compute(inputs: readonly Tensor[], outputNames: readonly string[], deadline: number): Promise<Computed> {
    this.#startedAt = performance.now();
    const computed = await this.#loaded.run(inputs, outputNames, deadline);
    this.#msPerRow = computed.timing.infer / (inputs[0]?.shape[0] || 1);
    return computed;
  }

  /** Runs what may run now, and sees to it that what has to wait for others does not wait too long. */
  #dispatch(): void {
    const byAge = Array.from(this.#groups).sort(([, [a]], [, [b]]) => (a?.enqueuedAt ?? 0) - (b?.enqueuedAt ?? 0));
    for (const [key, group] of byAge) {
      for (let oldest = group[0]; oldest !== undefined; oldest = group[0]) {
        const roomFrom = this.#roomFrom(oldest.inputs);
        const dueAt = this.#isFull(group)
          ? roomFrom
          : Math.max(roomFrom, oldest.enqueuedAt + this.#settings.maxDelayMs);
        if (performance.now() < dueAt) {
          if (Number.isFinite(dueAt)) this.#wake(dueAt);
          break;
        }
        void this.#runTogether(this.#take(group));
      }
      if (group.length === 0) this.#groups.delete(key);
    }
  }

  /** Whether waiting for more requests is of no use. */
  #isFull(group: readonly Waiting[]): boolean {
    const { maxBatchSize, preferred } = this.#settings;
    return sumRows(group) >= Math.min(maxBatchSize, Math.max(...preferred));
  }

  /** Takes the most requests that make a preferred number of rows, or else the most that fit into one run. */
  #take(group: Waiting[]): Waiting[] {
    let rows = 0;
    let fitting = 0;
    let preferred = 0;
    for (const [i, request] of group.entries()) {
      rows += request.rows;
      if (i > 0 && rows > this.#settings.maxBatchSize) break;
      fitting = i + 1;
      if (this.#settings.preferred.includes(rows)) preferred = fitting;
    }
    const taken = group.splice(0, preferred || fitting);
    this.#waiting -= taken.length;
    return taken;
  }

  #wake(at: number): void {
    if (this.#wakesAt !== undefined && this.#wakesAt <= at) return;
    this.#wakesAt = at;
    const wake = (): void => {
      if (this.#wakesAt !== at) return;
      this.#wakesAt = undefined;
      this.#dispatch();
    };
    // A timer knows whole milliseconds only; delays are given in microseconds and are often shorter than one.
    const ms = Math.floor(at - performance.now());
    if (ms >= 1) setTimeout(wake, ms);
    else setImmediate(wake);
  }

  #onDeadline(request: Waiting): void {
    const ms = Math.round(performance.now() - request.enqueuedAt);
    request.reject(new DeadlineExceeded(`model '${this.#settings.model}' did not answer within ${ms} ms`));
    const group = this.#groups.get(keyOf(request));
    const at = group?.indexOf(request) ?? -1;
    if (at < 0) return;
    group?.splice(at, 1);
    this.#waiting--;
    this.#dispatch();
  }

  async #runTogether(requests: readonly Waiting[]): Promise<void> {
    this.#running++;
    try {
      if (requests.length === 1) await this.#runAlone(requests[0] as Waiting);
      else if (!(await this.#runMerged(requests)))
        await Promise.all(requests.map((request) => this.#runAlone(request)));
    } finally {
      for (const { timer } of requests) clearTimeout(timer);
      await this.#onEnd();
    }
  }

  async #onEnd(): Promise<void> {
    this.#running--;
    if (this.#waiting > 0) this.#dispatch();
    if (this.#unloaded) await this.#unloadWhenIdle();
  }

  async #runAlone(request: Waiting): Promise<void> {
    // From here on the engine watches the deadline: it can stop the run as well.
    clearTimeout(request.timer);
    const startedAt = performance.now();
    try {
      const computed = await this.#compute(request.inputs, request.outputNames, request.deadline);
      const queue = computed.timing.queue + startedAt - request.enqueuedAt;
      request.resolve({ ...computed, timing: { ...computed.timing, queue } });
    } catch (error) {
      request.reject(error);
    }
  }

  /** False: the requests have to be run one by one. */
  async #runMerged(requests: readonly Waiting[]): Promise<boolean> {
    const startedAt = performance.now();
    const inputs = mergeRows(requests.map((request) => request.inputs));
    const merging = performance.now() - startedAt;
    // The last one's deadline stops the run; the others have their own timers.
    const deadline = Math.max(...requests.map((request) => request.deadline));
    try {
      const { outputs, timing } = await this.#compute(inputs, requests[0]?.outputNames ?? [], deadline);
      const split = splitRows(
        outputs,
        requests.map(({ rows }) => rows),
      );
      if (split === undefined) return false;
      for (const [i, request] of requests.entries()) {
        request.resolve({
          outputs: split[i] ?? [],
          timing: {
            ...timing,
            queue: timing.queue + startedAt - request.enqueuedAt,
            input: timing.input + merging,
          },
          mergedRows: i === 0 ? sumRows(requests) : 0,
        });
      }
      return true;
    } catch (error) {
      if (error instanceof InvalidRequest || error instanceof ModelFailed) return false;
      for (const request of requests) request.reject(error);
      return true;
    }
  }
}

function sumRows(requests: readonly Waiting[]): number {
  return requests.reduce((sum, { rows }) => sum + rows, 0);
}

/** What requests that run together have in common: everything but the number of their rows. */
function keyOf({ inputs, outputNames }: Waiting): string {
  const tensors = inputs.map(({ name, datatype, shape }) => `${name}:${datatype}:${shape.slice(1)}`).sort();
  return JSON.stringify([tensors, outputNames]);
}
