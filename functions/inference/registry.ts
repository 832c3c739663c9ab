import { ProtocolError, Unavailable, UnknownModel } from '../protocol/errors.ts';
import { checkModelName, checkVersion } from '../protocol/names.ts';
import { type Engine, type LoadedModel, type Log, type ModelId, ModelRejected, type ModelStore } from './ports.ts';

export type ServedModel = ModelId & { readonly loaded: LoadedModel };

export type ModelState = ModelId & { readonly state: 'READY' | 'LOADING' | 'UNAVAILABLE'; readonly reason?: string };

type Slot = {
  readonly model: string;
  readonly version: string;
  state: ModelState['state'];
  loading: Promise<ServedModel>;
  served: ServedModel | undefined;
  reason: string;
  failures: number;
  /** When a failed load may be tried again, on the clock of `performance.now()`. */
  retryAt: number;
};

type Listing = { readonly versions: readonly string[]; readonly readAt: number };

const FIRST_RETRY_MS = 1_000;
const LAST_RETRY_MS = 60_000;

/**
 * Which versions of which models are loaded. A version is loaded once, at its first use; a failed load is remembered
 * with its reason and tried again after a growing pause.
 */
export class ModelRegistry {
  readonly #store: ModelStore;
  readonly #engine: Engine;
  readonly #log: Log;
  readonly #refreshMs: number;
  readonly #slots = new Map<string, Slot>();
  readonly #listings = new Map<string, Listing>();

  /** @param refreshMs how long a model's list of versions is taken for current, in milliseconds */
  constructor(store: ModelStore, engine: Engine, log: Log, refreshMs = 2_000) {
    this.#store = store;
    this.#engine = engine;
    this.#log = log;
    this.#refreshMs = refreshMs;
  }

  models(): Promise<readonly string[]> {
    return this.#store.models();
  }

  /** Everything that has been loaded, or that failed to load. */
  states(): ModelState[] {
    return Array.from(this.#slots.values(), ({ model, version, state, reason }) =>
      state === 'UNAVAILABLE' ? { model, version, state, reason } : { model, version, state },
    );
  }

  served(): ServedModel[] {
    return Array.from(this.#slots.values()).flatMap(({ served }) => served ?? []);
  }

  /**
   * The model, loaded: the version asked for, or without one the highest that loads.
   * @throws UnknownModel, or Unavailable for a version that is there but does not load
   */
  async get(model: string, version?: string): Promise<ServedModel> {
    checkModelName(model);
    if (version !== undefined) checkVersion(model, version);
    const versions = await this.#versions(model);
    if (versions.length === 0) throw new UnknownModel(`'${model}' is not found`);
    if (version !== undefined) {
      if (!versions.includes(version)) throw new UnknownModel(`'${model}' version ${version} is not found`);
      return this.#load(model, version);
    }
    let failure: unknown;
    for (const candidate of versions.toReversed()) {
      try {
        return await this.#load(model, candidate);
      } catch (error) {
        if (!(error instanceof Unavailable)) throw error;
        failure ??= error;
      }
    }
    throw failure;
  }

  async #versions(model: string): Promise<readonly string[]> {
    const known = this.#listings.get(model);
    const now = performance.now();
    if (known !== undefined && now - known.readAt < this.#refreshMs) return known.versions;
    const versions = await this.#store.versions(model);
    // A model that is not there is not remembered, or names made up by clients would fill the memory.
    if (versions.length > 0) this.#listings.set(model, { versions, readAt: now });
    else this.#listings.delete(model);
    if (known !== undefined)
      await this.#drop(
        model,
        known.versions.filter((version) => !versions.includes(version)),
      );
    return versions;
  }

  async #drop(model: string, versions: readonly string[]): Promise<void> {
    for (const version of versions) {
      const slot = this.#slots.get(key(model, version));
      this.#slots.delete(key(model, version));
      await slot?.served?.loaded.unload();
    }
  }

  #load(model: string, version: string): Promise<ServedModel> {
    const slot = this.#slots.get(key(model, version));
    if (slot === undefined) return this.#startLoading(model, version, 0);
    if (slot.state === 'UNAVAILABLE' && performance.now() >= slot.retryAt) {
      return this.#startLoading(model, version, slot.failures);
    }
    return slot.loading;
  }

  #startLoading(model: string, version: string, failures: number): Promise<ServedModel> {
    const slot: Slot = {
      model,
      version,
      state: 'LOADING',
      loading: this.#fetchAndLoad(model, version),
      served: undefined,
      reason: '',
      failures,
      retryAt: 0,
    };
    this.#slots.set(key(model, version), slot);
    slot.loading = slot.loading.then(
      (served) => {
        slot.state = 'READY';
        slot.served = served;
        return served;
      },
      (error: unknown) => {
        slot.state = 'UNAVAILABLE';
        slot.failures++;
        const pause = Math.min(LAST_RETRY_MS, FIRST_RETRY_MS * 2 ** (slot.failures - 1));
        slot.retryAt = performance.now() + pause;
        // Only these two kinds of error promise a text that clients may see.
        const known = error instanceof ModelRejected || error instanceof ProtocolError;
        slot.reason = known ? error.message : 'it could not be loaded; the server log says why';
        this.#log.error({ model, version, err: error }, 'failed to load model');
        throw new Unavailable(
          `Request for unknown model: '${model}' version ${version} is not at ready state: ` +
            `failed to load: ${slot.reason}`,
          Math.ceil(pause / 1000),
        );
      },
    );
    return slot.loading;
  }

  async #fetchAndLoad(model: string, version: string): Promise<ServedModel> {
    const started = performance.now();
    const path = await this.#store.fetch(model, version);
    const loaded = await this.#engine.load({ model, version }, path);
    this.#log.info({ model, version, ms: Math.round(performance.now() - started) }, 'loaded model');
    return { model, version, loaded };
  }
}

function key(model: string, version: string): string {
  return `${model}/${version}`;
}
