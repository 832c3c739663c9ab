import { ProtocolError, Unavailable, UnknownModel } from '../protocol/errors.ts';
import type { ModelConfig } from '../protocol/model-config.ts';
import { checkModelName, checkVersion } from '../protocol/names.ts';
import type { ModelLoader, ServedModel } from './model-loader.ts';
import { type Log, ModelRejected, type ModelStore, type Override, type StoredModel, type Telemetry } from './ports.ts';
import { parseRelease, type Release, versionsFor } from './release.ts';
import { servableVersions } from './serving-config.ts';

export type ModelState = {
  readonly model: string;
  /** Undefined: no version of the model can be served, as its configuration can't be read. */
  readonly version?: string;
  readonly state: 'READY' | 'LOADING' | 'UNAVAILABLE';
  readonly reason?: string;
};

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

type Listing = StoredModel & {
  readonly released: Release | undefined;
  /** From oldest to newest. */
  readonly servable: readonly string[];
  readonly readAt: number;
};

export type RegistrySettings = {
  /** How long what was found of a model is taken for current, in milliseconds. */
  readonly refreshMs: number;
  /** Serve only models that `load` was called for, instead of all. */
  readonly explicit: boolean;
};

const FIRST_RETRY_MS = 1_000;
const LAST_RETRY_MS = 60_000;

/**
 * Which versions of which models are loaded. A version is loaded once, at its first use; a failed load is remembered
 * with its reason and tried again after a growing pause.
 */
export class ModelRegistry {
  readonly #store: ModelStore;
  readonly #loader: ModelLoader;
  readonly #telemetry: Telemetry;
  readonly #log: Log;
  readonly #settings: RegistrySettings;
  readonly #slots = new Map<string, Slot>();
  readonly #listings = new Map<string, Listing>();
  /** In explicit mode: the models that were asked for. */
  readonly #overrides = new Map<string, Override>();
  /** Why a model's configuration can't be read. */
  readonly #rejected = new Map<string, string>();

  constructor(store: ModelStore, loader: ModelLoader, telemetry: Telemetry, log: Log, settings: RegistrySettings) {
    this.#store = store;
    this.#loader = loader;
    this.#telemetry = telemetry;
    this.#log = log;
    this.#settings = settings;
  }

  models(): Promise<readonly string[]> {
    return this.#store.models();
  }

  /** Everything that has been loaded, or that failed to load. */
  states(): ModelState[] {
    const rejected = Array.from(this.#rejected, ([model, reason]) => ({
      model,
      state: 'UNAVAILABLE' as const,
      reason,
    }));
    const versions = Array.from(this.#slots.values(), ({ model, version, state, reason }) =>
      state === 'UNAVAILABLE' ? { model, version, state, reason } : { model, version, state },
    );
    return [...rejected, ...versions].sort((a, b) => (a.model < b.model ? -1 : 1));
  }

  served(): ServedModel[] {
    return Array.from(this.#slots.values()).flatMap(({ served }) => served ?? []);
  }

  /**
   * The model, loaded: the version asked for, or without one what its release.json names, or else the highest that loads.
   * @param caller decides whether a canary answers, always alike
   * @throws UnknownModel, or Unavailable for a version that is there but does not load
   */
  async get(model: string, version?: string, caller?: string): Promise<ServedModel> {
    checkModelName(model);
    if (version !== undefined) checkVersion(model, version);
    if (this.#settings.explicit && !this.#overrides.has(model)) {
      throw new UnknownModel(
        `'${model}' is not found; this server serves models after POST /v2/repository/models/{model}/load`,
      );
    }
    const { servable, versions, config, released } = await this.#find(model);
    if (versions.length === 0) throw new UnknownModel(`'${model}' is not found`);
    if (version !== undefined) {
      if (!servable.includes(version)) throw new UnknownModel(`'${model}' version ${version} is not found`);
      return this.#load(model, version, config);
    }
    let failure: unknown;
    const candidates = released === undefined ? servable.toReversed() : versionsFor(released, caller);
    for (const candidate of candidates) {
      if (!servable.includes(candidate)) continue;
      try {
        const loading = this.#load(model, candidate, config);
        // Nobody waits for a version that is new while another one can answer.
        const isLoading = this.#slots.get(key(model, candidate))?.state === 'LOADING';
        const lastGood = isLoading ? this.#lastGood(model, released) : undefined;
        if (lastGood !== undefined) {
          loading.catch(() => {});
          return lastGood;
        }
        const served = await loading;
        await this.#dropAllBut(model, servable);
        return served;
      } catch (error) {
        if (!(error instanceof Unavailable)) throw error;
        failure ??= error;
      }
    }
    // None of the versions that should serve loads: the last good one goes on.
    const lastGood = this.#lastGood(model, released);
    if (lastGood !== undefined) return lastGood;
    if (released !== undefined && !servable.includes(released.live)) {
      throw new Unavailable(`'${model}' has no version ${released.live}, which its release.json names as live`, 1);
    }
    throw failure ?? new UnknownModel(`'${model}' has no version that its version_policy allows`);
  }

  /** A version that serves already; not the canary, which is not proven to be good. */
  #lastGood(model: string, released: Release | undefined): ServedModel | undefined {
    return this.served().findLast((served) => served.model === model && served.version !== released?.canary?.version);
  }

  get isExplicit(): boolean {
    return this.#settings.explicit;
  }

  /**
   * In explicit mode: loads every version that the model's version_policy names, in place of what was loaded before; on
   * failure that goes on serving.
   * @throws UnknownModel, Unavailable
   */
  async load(model: string, override: Override): Promise<void> {
    checkModelName(model);
    const before = { override: this.#overrides.get(model), slots: this.#takeSlots(model) };
    this.#overrides.set(model, override);
    try {
      const { servable, versions, config } = await this.#find(model);
      if (versions.length === 0) throw new UnknownModel(`'${model}' is not found`);
      await Promise.all(servable.map((version) => this.#load(model, version, config)));
    } catch (error) {
      await this.#unloadAll(this.#takeSlots(model));
      if (before.override === undefined) this.#overrides.delete(model);
      else this.#overrides.set(model, before.override);
      for (const slot of before.slots) this.#slots.set(key(model, slot.version), slot);
      throw error;
    }
    await this.#unloadAll(before.slots);
  }

  /** In explicit mode: stops serving a model; requests under way are still answered. */
  async unload(model: string): Promise<void> {
    checkModelName(model);
    this.#overrides.delete(model);
    this.#rejected.delete(model);
    await this.#unloadAll(this.#takeSlots(model));
  }

  /** Removes what is known of a model, and returns it. */
  #takeSlots(model: string): Slot[] {
    this.#listings.delete(model);
    const slots = Array.from(this.#slots.values()).filter((slot) => slot.model === model);
    for (const { version } of slots) this.#slots.delete(key(model, version));
    return slots;
  }

  async #unloadAll(slots: readonly Slot[]): Promise<void> {
    for (const slot of slots) await slot.served?.loaded.unload();
  }

  async #find(model: string): Promise<Listing> {
    const known = this.#listings.get(model);
    const now = performance.now();
    if (known !== undefined && now - known.readAt < this.#settings.refreshMs) return known;
    const override = this.#overrides.get(model);
    const stored = await this.#storeOf(model)
      .find(model)
      .catch((error: unknown) => {
        if (error instanceof ModelRejected) throw this.#reject(model, error);
        // What was known goes on serving while the store can't be read.
        if (known === undefined || !(error instanceof Unavailable)) throw error;
        this.#log.warn({ model, reason: error.message }, 'serving what was known of the model');
        return known;
      });
    const found = { ...stored, config: override?.config ?? stored.config };
    const released = this.#readRelease(model, stored.release, known);
    this.#rejected.delete(model);
    const listing = { ...found, released, servable: servable(found, released), readAt: now };
    // A model that is not there is not remembered, or names made up by clients would fill the memory.
    if (found.versions.length > 0) this.#listings.set(model, listing);
    else this.#listings.delete(model);
    if (known !== undefined) await this.#dropAllBut(model, found.versions);
    return listing;
  }

  /** A release.json that can't be used changes nothing while a former one is known. */
  #readRelease(model: string, text: string | undefined, known: Listing | undefined): Release | undefined {
    if (text === undefined) return undefined;
    try {
      return parseRelease(text);
    } catch (error) {
      if (!(error instanceof ModelRejected)) throw error;
      if (known?.released === undefined) throw this.#reject(model, error);
      if (text !== known.release)
        this.#log.warn({ model, reason: error.message }, 'the last good release.json goes on');
      return known.released;
    }
  }

  /** A model whose configuration can't be read: it has no version that could be blamed. */
  #reject(model: string, { message }: ModelRejected): Unavailable {
    this.#rejected.set(model, message);
    this.#telemetry.loadFailed(model);
    this.#log.error({ model, reason: message }, 'failed to load model');
    return new Unavailable(
      `Request for unknown model: '${model}' is not at ready state: failed to load: ${message}`,
      Math.ceil(this.#settings.refreshMs / 1000),
    );
  }

  async #dropAllBut(model: string, versions: readonly string[]): Promise<void> {
    for (const slot of this.#slots.values()) {
      if (slot.model !== model || versions.includes(slot.version)) continue;
      this.#slots.delete(key(model, slot.version));
      await slot.served?.loaded.unload();
    }
  }

  #load(model: string, version: string, config: ModelConfig): Promise<ServedModel> {
    const slot = this.#slots.get(key(model, version));
    if (slot === undefined) return this.#startLoading(model, version, config, 0);
    if (slot.state === 'UNAVAILABLE' && performance.now() >= slot.retryAt) {
      return this.#startLoading(model, version, config, slot.failures);
    }
    return slot.loading;
  }

  #startLoading(model: string, version: string, config: ModelConfig, failures: number): Promise<ServedModel> {
    const slot: Slot = {
      model,
      version,
      state: 'LOADING',
      loading: this.#loader.load(this.#storeOf(model), { model, version }, config),
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
        this.#telemetry.loaded(served, served.timing);
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
        this.#telemetry.loadFailed(model);
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

  #storeOf(model: string): ModelStore {
    return this.#overrides.get(model)?.store ?? this.#store;
  }
}

/** The versions that the policy allows, and those that are released. */
function servable({ config, versions }: StoredModel, released: Release | undefined): readonly string[] {
  const allowed = [...servableVersions(config.version_policy, versions), released?.live, released?.canary?.version];
  return versions.filter((version) => allowed.includes(version));
}

function key(model: string, version: string): string {
  return `${model}/${version}`;
}
