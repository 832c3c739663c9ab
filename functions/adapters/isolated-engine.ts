import {
  type Computed,
  type Engine,
  type LoadedModel,
  type Log,
  type ModelId,
  ModelRejected,
  type RuntimeTarget,
} from '../inference/ports.ts';
import { DeadlineExceeded, InvalidRequest, ModelFailed, Overloaded } from '../protocol/errors.ts';
import type { ModelConfig } from '../protocol/model-config.ts';
import type { Tensor } from '../protocol/tensor.ts';
import { runtimeTarget } from './onnxruntime-target.ts';
import { sessionMemory } from './session-memory.ts';
import type { FromWorker, Signature } from './worker-messages.ts';
import { WorkerExited, WorkerProcess } from './worker-process.ts';

export type IsolatedEngineSettings = {
  /** Child processes that are always there, and the most that one model may use at once by default: one per core. */
  readonly processes: number;
  /** Requests of one model that may wait; the next one is answered 503. */
  readonly maxQueue: number;
  /** Milliseconds that loading a model may take. */
  readonly loadTimeoutMs: number;
};

/** A spare process ends after so long without work. */
const SPARE_IDLE_MS = 30_000;
/** While a server starts, there is a core for it and one for its first child process; the others follow later. */
const OTHERS_DELAY_MS = 250;
/** After a process that did not even start, the next one is tried so much later. */
const FAILED_START_PAUSE_MS = 1_000;

type Worker = {
  readonly process: WorkerProcess;
  readonly loaded: Set<string>;
  ready: boolean;
  job: Job | undefined;
  idleSince: number;
};

type Job = {
  readonly model: IsolatedModel;
  readonly enqueuedAt: number;
  readonly timer: NodeJS.Timeout;
  /** Undefined: only load the model. */
  readonly run: { readonly inputs: readonly Tensor[]; readonly outputNames: readonly string[] } | undefined;
  phase: 'queued' | 'loading' | 'running' | 'done';
  worker: Worker | undefined;
  succeed: (computed: Computed) => void;
  fail: (error: Error) => void;
};

/**
 * The isolated lane: models run in child processes, which are killed and replaced when a request passes its deadline.
 *
 * Any process may hold any model. One model uses at most `processes` of them at once, and whenever all are busy a spare
 * one is started (up to four times as many; at once where something waits), so that a model that hangs in every process it may use never keeps
 * another model waiting.
 */
export class IsolatedEngine implements Engine {
  readonly #settings: IsolatedEngineSettings;
  readonly #log: Log;
  readonly #workers = new Set<Worker>();
  readonly #queue: Job[] = [];
  readonly #reaper: NodeJS.Timeout;
  #nextKey = 1;
  #closed = false;
  #pause: NodeJS.Timeout | undefined;
  #others: NodeJS.Timeout | undefined;
  /** A process that hangs in a model would outlive this one. */
  readonly #killAll = (): void => {
    for (const { process } of this.#workers) process.kill();
  };

  /** @param first its first child process, which may still be starting */
  constructor(settings: IsolatedEngineSettings, log: Log, first = new WorkerProcess()) {
    this.#settings = settings;
    this.#log = log;
    this.#add(first);
    this.#reaper = setInterval(() => this.#endIdleSpare(), SPARE_IDLE_MS / 3).unref();
    process.on('exit', this.#killAll);
  }

  get target(): RuntimeTarget {
    return runtimeTarget();
  }

  async load(id: ModelId, path: string, config: ModelConfig): Promise<IsolatedModel> {
    // A key of its own for every load, so that a replaced file is never confused with the one before.
    const model = new IsolatedModel(this, id, `${this.#nextKey++}`, path, config);
    await new Promise<Computed>((resolve, reject) => {
      this.#enqueue(model, undefined, performance.now() + this.#settings.loadTimeoutMs, resolve, reject);
    });
    return model;
  }

  /** In the end as many processes may have loaded it as may compute it at once. */
  memoryOf(bytes: number, isShared = false): number {
    const own = this.#settings.processes * sessionMemory(isShared ? 0 : bytes);
    return isShared ? own + sessionMemory(bytes) : own;
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearInterval(this.#reaper);
    clearTimeout(this.#pause);
    clearTimeout(this.#others);
    process.off('exit', this.#killAll);
    for (const job of this.#queue.splice(0)) job.fail(new ModelFailed('the server is shutting down'));
    this.#killAll();
    await Promise.all(Array.from(this.#workers, ({ process }) => process.exited));
  }

  run(
    model: IsolatedModel,
    inputs: readonly Tensor[],
    outputNames: readonly string[],
    deadline: number,
  ): Promise<Computed> {
    return new Promise((resolve, reject) => {
      if (this.pending(model) >= this.#settings.maxQueue) {
        reject(
          new Overloaded(
            `model '${model.id.model}' has ${this.#settings.maxQueue} requests waiting; try again later`,
            1,
          ),
        );
        return;
      }
      this.#enqueue(model, { inputs, outputNames }, deadline, resolve, reject);
    });
  }

  pending(model: IsolatedModel): number {
    return this.#queue.reduce((count, job) => (job.model === model ? count + 1 : count), 0);
  }

  capacity(model: IsolatedModel): number {
    return model.processes ?? this.#settings.processes;
  }

  unload(model: IsolatedModel): void {
    for (const worker of this.#workers) this.#forget(worker, model);
  }

  #enqueue(
    model: IsolatedModel,
    run: Job['run'],
    deadline: number,
    resolve: (computed: Computed) => void,
    reject: (error: Error) => void,
  ): void {
    const settle = <T>(act: (value: T) => void) => {
      return (value: T): void => {
        clearTimeout(job.timer);
        act(value);
      };
    };
    const enqueuedAt = performance.now();
    const job: Job = {
      model,
      enqueuedAt,
      timer: setTimeout(() => this.#onDeadline(job), Math.max(0, deadline - enqueuedAt)),
      run,
      phase: 'queued',
      worker: undefined,
      succeed: settle(resolve),
      fail: settle(reject),
    };
    this.#queue.push(job);
    this.#dispatch();
  }

  #onDeadline(job: Job): void {
    const { model } = job.model.id;
    const ms = Math.round(performance.now() - job.enqueuedAt);
    job.fail(
      job.run === undefined
        ? new ModelRejected(`loading took longer than ${ms} ms`)
        : new DeadlineExceeded(`model '${model}' did not answer within ${ms} ms`),
    );
    if (job.phase === 'queued') {
      this.#queue.splice(this.#queue.indexOf(job), 1);
    } else if (job.phase === 'running' || (job.phase === 'loading' && job.run === undefined)) {
      // A request may run out of time while its process still loads the model; that load is then left to finish, as the
      // next request will need it.
      this.#log.warn({ model, pid: job.worker?.process.pid, ms }, 'killed a child process at the deadline');
      job.worker?.process.kill();
    }
    job.phase = 'done';
  }

  /** Gives every free process the oldest request that it may take. */
  #dispatch(): void {
    const busy = new Map<IsolatedModel, number>();
    const free: Worker[] = [];
    let starting = 0;
    for (const worker of this.#workers) {
      if (worker.process.isEnding) continue;
      if (worker.job !== undefined) busy.set(worker.job.model, (busy.get(worker.job.model) ?? 0) + 1);
      else if (worker.ready) free.push(worker);
      else starting++;
    }
    for (let i = 0; i < this.#queue.length && free.length > 0; ) {
      const job = this.#queue[i] as Job;
      const used = busy.get(job.model) ?? 0;
      if (used >= this.capacity(job.model)) {
        i++;
        continue;
      }
      busy.set(job.model, used + 1);
      this.#queue.splice(i, 1);
      const at = free.findIndex(({ loaded }) => loaded.has(job.model.key));
      const [worker] = free.splice(Math.max(0, at), 1);
      void this.#work(worker as Worker, job);
    }
    const missing = this.#workers.size < this.#settings.processes;
    if (free.length + starting === 0 && this.#queue.length > 0) this.#startSpare();
    else if (free.length + starting === 0 || missing) this.#startOthersLater();
  }

  async #work(worker: Worker, job: Job): Promise<void> {
    worker.job = job;
    job.worker = worker;
    const startedAt = performance.now();
    try {
      if (!worker.loaded.has(job.model.key)) {
        job.phase = 'loading';
        await this.#loadInto(worker, job);
      }
      // The deadline may have passed meanwhile, and the compiler can't see that it changes the phase.
      if ((job.phase as Job['phase']) !== 'done') {
        job.phase = 'running';
        job.succeed(job.run === undefined ? NOTHING_COMPUTED : await this.#compute(worker, job, job.run, startedAt));
      }
    } catch (error) {
      job.fail(this.#explain(job, error));
    }
    job.phase = 'done';
    worker.job = undefined;
    worker.idleSince = performance.now();
    this.#dispatch();
  }

  async #loadInto(worker: Worker, { model, run }: Job): Promise<void> {
    // The first load is bounded by the job's own deadline; another process's load of the same model, here.
    const timer = run && setTimeout(() => worker.process.kill(), this.#settings.loadTimeoutMs);
    try {
      const { message } = await worker.process.request({
        op: 'load',
        key: model.key,
        path: model.path,
        config: model.config,
      });
      if (message.answer === 'refused') throw new ModelRejected(message.text);
      if (message.answer !== 'loaded') throw unexpected(message);
      worker.loaded.add(model.key);
      model.signature ??= message.signature;
      this.#dropSpareCopies(model);
    } finally {
      clearTimeout(timer);
    }
  }

  /** No more processes hold a model than may compute it at once, or spare ones would multiply its memory. */
  #dropSpareCopies(model: IsolatedModel): void {
    const holders = Array.from(this.#workers).filter(({ loaded }) => loaded.has(model.key));
    const spare = holders.filter(({ job }) => job?.model !== model);
    for (const worker of spare.slice(0, Math.max(0, holders.length - this.capacity(model)))) {
      this.#forget(worker, model);
    }
  }

  #forget({ loaded, process }: Worker, { key }: IsolatedModel): void {
    // A process that ends before it answers has forgotten the model as well.
    if (loaded.delete(key)) process.request({ op: 'unload', key }).catch(() => {});
  }

  async #compute(
    worker: Worker,
    job: Job,
    { inputs, outputNames }: NonNullable<Job['run']>,
    startedAt: number,
  ): Promise<Computed> {
    const sentAt = performance.timeOrigin + performance.now();
    const { message, tensors } = await worker.process.request({ op: 'run', key: job.model.key, outputNames }, inputs);
    if (message.answer === 'refused') throw new InvalidRequest(message.text);
    if (message.answer !== 'computed') throw unexpected(message);
    const receivedAt = performance.timeOrigin + performance.now();
    return {
      outputs: tensors,
      timing: {
        queue: startedAt - job.enqueuedAt,
        input: Math.max(0, message.startedAt - sentAt),
        infer: message.endedAt - message.startedAt,
        output: Math.max(0, receivedAt - message.endedAt),
      },
    };
  }

  #explain(job: Job, error: unknown): Error {
    const { model } = job.model.id;
    if (error instanceof ModelRejected && job.run !== undefined) {
      return new ModelFailed(`model '${model}' could not be loaded again: ${error.message}`);
    }
    if (!(error instanceof WorkerExited)) return error as Error;
    const text = `the process of model '${model}' ended unexpectedly (${error.message})`;
    if (job.phase !== 'done') this.#log.error({ model, how: error.message }, 'a child process ended unexpectedly');
    return job.run === undefined ? new ModelRejected(text) : new ModelFailed(text);
  }

  #startSpare(): void {
    if (this.#workers.size < this.#settings.processes * 4) this.#startWorker();
  }

  #startOthersLater(): void {
    this.#others ??= setTimeout(() => {
      this.#others = undefined;
      for (let i = this.#workers.size; i < this.#settings.processes; i++) this.#startWorker();
      if (Array.from(this.#workers).every(({ ready, job }) => ready && job !== undefined)) this.#startSpare();
    }, OTHERS_DELAY_MS).unref();
  }

  #startWorker(): void {
    if (!this.#closed && this.#pause === undefined) this.#add(new WorkerProcess());
  }

  #add(child: WorkerProcess): void {
    const worker: Worker = {
      process: child,
      loaded: new Set(),
      ready: false,
      job: undefined,
      idleSince: performance.now(),
    };
    this.#workers.add(worker);
    worker.process.ready.then(
      () => {
        worker.ready = true;
        this.#dispatch();
      },
      (error: WorkerExited) => {
        if (this.#closed) return;
        this.#log.error({ how: error.message }, 'a child process did not start');
        this.#pause ??= setTimeout(() => {
          this.#pause = undefined;
          this.#dispatch();
        }, FAILED_START_PAUSE_MS);
      },
    );
    void worker.process.exited.then(() => {
      this.#workers.delete(worker);
      if (this.#workers.size < this.#settings.processes) this.#startWorker();
      this.#dispatch();
    });
  }

  #endIdleSpare(): void {
    if (this.#workers.size <= this.#settings.processes) return;
    const since = performance.now() - SPARE_IDLE_MS;
    const idle = Array.from(this.#workers).find(({ ready, job, idleSince }) => ready && !job && idleSince < since);
    idle?.process.kill();
  }
}

const NOTHING_COMPUTED: Computed = { outputs: [], timing: { queue: 0, input: 0, infer: 0, output: 0 } };

function unexpected(message: FromWorker): Error {
  return new Error(`a child process answered '${message.answer}' out of turn`);
}

/** A model in the isolated lane. */
export class IsolatedModel implements LoadedModel {
  readonly #engine: IsolatedEngine;
  #running = 0;
  #unloaded = false;
  readonly id: ModelId;
  readonly key: string;
  readonly path: string;
  readonly config: ModelConfig;
  /** Set by the first process that loads the model. */
  signature: Signature | undefined;

  constructor(engine: IsolatedEngine, id: ModelId, key: string, path: string, config: ModelConfig) {
    this.#engine = engine;
    this.id = id;
    this.key = key;
    this.path = path;
    this.config = config;
  }

  /** The most processes that may compute it at once, where its configuration says so. */
  get processes(): number | undefined {
    const count = this.config.instance_group?.reduce((total, group) => total + (group.count ?? 1), 0);
    return count || undefined;
  }

  get inputs(): LoadedModel['inputs'] {
    return this.signature?.inputs ?? [];
  }

  get outputs(): LoadedModel['outputs'] {
    return this.signature?.outputs ?? [];
  }

  get isStatic(): boolean {
    return this.signature?.isStatic ?? false;
  }

  get pending(): number {
    return this.#engine.pending(this);
  }

  capacity(): number {
    return this.#engine.capacity(this);
  }

  async run(inputs: readonly Tensor[], outputNames: readonly string[], deadline: number): Promise<Computed> {
    this.#running++;
    try {
      return await this.#engine.run(this, inputs, outputNames, deadline);
    } finally {
      this.#running--;
      this.#forgetWhenIdle();
    }
  }

  /** Requests that are under way, or that were on their way here, are still answered. */
  async unload(): Promise<void> {
    this.#unloaded = true;
    this.#forgetWhenIdle();
  }

  #forgetWhenIdle(): void {
    if (this.#unloaded && this.#running === 0) this.#engine.unload(this);
  }
}
