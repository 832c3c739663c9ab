import { ProtocolError, Unavailable } from '../protocol/errors.ts';
import type { ModelConfig } from '../protocol/model-config.ts';
import type { ModelLoader, ServedModel } from './model-loader.ts';
import {
  type FileHashes,
  type Log,
  type ModelId,
  ModelRejected,
  type ModelStore,
  NoRoom,
  type Telemetry,
} from './ports.ts';

export type ModelState = {
  readonly model: string;
  /** Undefined: no version of the model can be served, as its configuration can't be read. */
  readonly version?: string;
  readonly state: 'READY' | 'LOADING' | 'UNAVAILABLE';
  readonly reason?: string;
};

/** A version that is loaded, or tried. */
export type Slot = ModelId & {
  state: ModelState['state'];
  loading: Promise<ServedModel>;
  served: ServedModel | undefined;
  reason: string;
  failures: number;
  /** When a failed load may be tried again, on the clock of `performance.now()`. */
  retryAt: number;
  /** Of memory, as far as is known. */
  bytes: number;
  uses: number;
  usedAt: number;
  /** It is to be unloaded once it is used no longer. */
  isLeaving: boolean;
};

/** A version that can't be unloaded until `end` is called. */
export type Lease = { readonly served: ServedModel; readonly end: () => void };

export type ToLoad = ModelId & {
  readonly store: ModelStore;
  readonly config: ModelConfig;
  readonly sha256: FileHashes | undefined;
};

export type MemorySettings = {
  /** Bytes that all loaded models together may take. */
  readonly modelMemory: number;
  /** Models that stay when room is needed. */
  readonly keepLoaded: (model: string) => boolean;
};

const FIRST_RETRY_MS = 1_000;
const LAST_RETRY_MS = 60_000;
/** How long a load waits for others to need their memory no longer. */
const ROOM_PATIENCE_MS = 5_000;

/**
 * The versions in memory. Each is loaded once, however many ask for it; a failed load is remembered with its reason and
 * tried again after a growing pause. When the memory is used up, or the disk that holds their files, the version that was
 * not used for the longest time goes; one that is in use never does.
 */
export class LoadedVersions {
  readonly #loader: ModelLoader;
  readonly #telemetry: Telemetry;
  readonly #log: Log;
  readonly #settings: MemorySettings;
  readonly #slots = new Map<string, Slot>();
  /** Called when a version that was in use is no longer. */
  readonly #waiting = new Set<() => void>();

  constructor(loader: ModelLoader, telemetry: Telemetry, log: Log, settings: MemorySettings) {
    this.#loader = loader;
    this.#telemetry = telemetry;
    this.#log = log;
    this.#settings = settings;
  }

  states(): ModelState[] {
    return Array.from(this.#slots.values(), ({ model, version, state, reason }) =>
      state === 'UNAVAILABLE' ? { model, version, state, reason } : { model, version, state },
    );
  }

  served(): ServedModel[] {
    return Array.from(this.#slots.values()).flatMap(({ served }) => served ?? []);
  }

  /** Bytes that the loaded versions take, as far as is known. */
  get bytes(): number {
    return Array.from(this.#slots.values()).reduce((sum, { bytes }) => sum + bytes, 0);
  }

  /** From then on, loading one model may unload another. */
  get isHalfFull(): boolean {
    return this.bytes > this.#settings.modelMemory / 2;
  }

  stateOf(id: ModelId): ModelState['state'] | undefined {
    return this.#slots.get(key(id))?.state;
  }

  /** @throws Unavailable */
  async use(wanted: ToLoad): Promise<Lease> {
    const slot = this.#slotOf(wanted);
    const end = this.#begin(slot);
    try {
      return { served: await slot.loading, end };
    } catch (error) {
      end();
      throw error;
    }
  }

  /** As `use`, at once: undefined for a version that is not loaded. */
  useReady(id: ModelId): Lease | undefined {
    const slot = this.#slots.get(key(id));
    return slot?.served && { served: slot.served, end: this.#begin(slot) };
  }

  /** The newest of the versions that are loaded and accepted. */
  useLoaded(isAccepted: (id: ModelId) => boolean): Lease | undefined {
    const slot = Array.from(this.#slots.values()).findLast((slot) => slot.served !== undefined && isAccepted(slot));
    return slot?.served && { served: slot.served, end: this.#begin(slot) };
  }

  /** Starts to load a version, and waits for that no longer than `patienceMs`. */
  async prepare(wanted: ToLoad, patienceMs = 0): Promise<void> {
    const loaded = this.#slotOf(wanted).loading.catch(() => {});
    if (patienceMs === 0) return;
    const late = Promise.withResolvers<void>();
    const timer = setTimeout(late.resolve, patienceMs);
    await Promise.race([loaded, late.promise]);
    clearTimeout(timer);
  }

  /** Removes what is known of a model, and returns it. */
  take(model: string): Slot[] {
    const slots = Array.from(this.#slots.values()).filter((slot) => slot.model === model);
    for (const slot of slots) this.#slots.delete(key(slot));
    return slots;
  }

  restore(slots: readonly Slot[]): void {
    for (const slot of slots) this.#slots.set(key(slot), slot);
  }

  /** Requests under way are still answered. */
  async unload(slots: readonly Slot[]): Promise<void> {
    for (const slot of slots) {
      if (this.#slots.get(key(slot)) === slot) this.#slots.delete(key(slot));
      if (slot.uses > 0) slot.isLeaving = true;
      else await slot.served?.unload();
    }
  }

  /** Unloads all versions of a model but these. */
  async keepOnly(model: string, versions: readonly string[]): Promise<void> {
    await this.unload(
      Array.from(this.#slots.values()).filter((slot) => slot.model === model && !versions.includes(slot.version)),
    );
  }

  #slotOf(wanted: ToLoad): Slot {
    const slot = this.#slots.get(key(wanted));
    const isDue = slot?.state === 'UNAVAILABLE' && performance.now() >= slot.retryAt;
    return slot === undefined || isDue ? this.#startLoading(wanted, slot?.failures ?? 0) : slot;
  }

  #begin(slot: Slot): () => void {
    slot.uses++;
    slot.usedAt = performance.now();
    return () => {
      slot.uses--;
      if (slot.uses > 0) return;
      if (slot.isLeaving) void slot.served?.unload();
      for (const wake of this.#waiting) wake();
    };
  }

  #startLoading(wanted: ToLoad, failures: number): Slot {
    const { model, version } = wanted;
    const slot: Slot = {
      model,
      version,
      state: 'LOADING',
      loading: this.#load(wanted, (bytes) => this.#makeRoom(slot, bytes)),
      served: undefined,
      reason: '',
      failures,
      retryAt: 0,
      bytes: 0,
      uses: 0,
      usedAt: 0,
      isLeaving: false,
    };
    this.#slots.set(key(slot), slot);
    slot.loading = slot.loading.then(
      (served) => {
        slot.state = 'READY';
        slot.served = served;
        this.#telemetry.loaded(served, served.timing);
        if (served.compiledUnused !== undefined) this.#telemetry.compiledUnused(model, served.compiledUnused);
        return served;
      },
      (error: unknown) => this.#fail(slot, error),
    );
    return slot;
  }

  /** What is loaded keeps its files, so that room on the disk may have to be made in memory. */
  async #load(
    { store, config, sha256, ...id }: ToLoad,
    makeRoom: (bytes: number) => Promise<void>,
  ): Promise<ServedModel> {
    const end = performance.now() + ROOM_PATIENCE_MS;
    for (;;) {
      try {
        return await this.#loader.load(store, id, config, sha256, makeRoom);
      } catch (error) {
        if (!(error instanceof NoRoom) || !(await this.#freed(end))) throw error;
      }
    }
  }

  #fail(slot: Slot, error: unknown): never {
    const { model, version } = slot;
    slot.bytes = 0;
    for (const wake of this.#waiting) wake();
    if (error instanceof NoRoom) {
      if (this.#slots.get(key(slot)) === slot) this.#slots.delete(key(slot));
      throw error;
    }
    slot.state = 'UNAVAILABLE';
    slot.failures++;
    const pause = Math.min(LAST_RETRY_MS, FIRST_RETRY_MS * 2 ** (slot.failures - 1));
    slot.retryAt = performance.now() + pause;
    // Only these two kinds of error promise a text that clients may see.
    const known = error instanceof ModelRejected || error instanceof ProtocolError;
    slot.reason = known ? error.message : 'it could not be loaded; the server log says why';
    this.#telemetry.loadFailed(model);
    this.#log.error({ model, version, err: error }, 'failed to load model');
    throw new Unavailable(
      `Request for unknown model: '${model}' version ${version} is not at ready state: failed to load: ${slot.reason}`,
      Math.ceil(pause / 1000),
    );
  }

  /** @throws NoRoom when too much of the memory is in use for too long */
  async #makeRoom(slot: Slot, bytes: number): Promise<void> {
    const end = performance.now() + ROOM_PATIENCE_MS;
    for (;;) {
      const { modelMemory } = this.#settings;
      // A load that goes on with another file has what it asked for first.
      const taken = this.bytes - slot.bytes;
      if (taken + bytes <= modelMemory || taken === 0) {
        const { model, version } = slot;
        if (bytes > modelMemory) {
          this.#log.warn({ model, version, bytes, modelMemory }, 'the model may need more memory than there is');
        }
        slot.bytes = bytes;
        return;
      }
      if (!(await this.#freed(end))) {
        throw new NoRoom(
          `there is no memory left for '${slot.model}' while other models are in use; try again later`,
          1,
        );
      }
    }
  }

  /**
   * Unloads the version that was not used for the longest time, or waits until one may be.
   * @returns false when all were in use up to `end`, on the clock of `performance.now()`
   */
  async #freed(end: number): Promise<boolean> {
    const oldest = this.#oldestIdle();
    if (oldest !== undefined) {
      this.#log.info({ model: oldest.model, version: oldest.version }, 'unloaded model to make room');
      await this.unload([oldest]);
      return true;
    }
    const left = end - performance.now();
    if (left > 0) await this.#nextEnd(left);
    return left > 0;
  }

  #oldestIdle(): Slot | undefined {
    const idle = Array.from(this.#slots.values()).filter(
      ({ model, state, uses }) => state === 'READY' && uses === 0 && !this.#settings.keepLoaded(model),
    );
    return idle.sort((a, b) => a.usedAt - b.usedAt)[0];
  }

  async #nextEnd(ms: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, ms);
    this.#waiting.add(resolve);
    await promise;
    this.#waiting.delete(resolve);
    clearTimeout(timer);
  }
}

function key({ model, version }: ModelId): string {
  return `${model}/${version}`;
}
