import type { CompiledUnused, InferenceRecord, LoadTiming, ModelId, Telemetry } from '../inference/ports.ts';

/** After the first requests have their answers. */
const DELAY_MS = 1_000;

/** Counts from the first moment, in a telemetry whose code is loaded a little later: no request waits for that. */
export class DeferredTelemetry<Loaded extends Telemetry> implements Telemetry {
  readonly #load: () => Promise<Loaded>;
  #loading: Promise<Loaded> | undefined;
  #target: Loaded | undefined;
  /** What happened before it was there. */
  readonly #earlier: ((target: Telemetry) => void)[] = [];

  constructor(load: () => Promise<Loaded>) {
    this.#load = load;
    setTimeout(() => void this.loading(), DELAY_MS).unref();
  }

  /** The telemetry itself, which knows of everything that has happened. */
  loading(): Promise<Loaded> {
    this.#loading ??= this.#load().then((target) => {
      for (const tell of this.#earlier.splice(0)) tell(target);
      this.#target = target;
      return target;
    });
    return this.#loading;
  }

  inference(record: InferenceRecord): void {
    this.#tell((target) => target.inference(record));
  }

  loaded(id: ModelId, timing: LoadTiming): void {
    this.#tell((target) => target.loaded(id, timing));
  }

  loadFailed(model: string): void {
    this.#tell((target) => target.loadFailed(model));
  }

  compiledUnused(model: string, reason: CompiledUnused): void {
    this.#tell((target) => target.compiledUnused(model, reason));
  }

  staleServed(model: string): void {
    this.#tell((target) => target.staleServed(model));
  }

  canaryEnded(model: string): void {
    this.#tell((target) => target.canaryEnded(model));
  }

  #tell(tell: (target: Telemetry) => void): void {
    if (this.#target === undefined) this.#earlier.push(tell);
    else tell(this.#target);
  }
}
