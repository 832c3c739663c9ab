import { Unavailable } from '../protocol/errors.ts';
import { type Log, ModelRejected, type ModelStore, type Override, type StoredModel, type Telemetry } from './ports.ts';
import { parseRelease, type Release } from './release.ts';
import { servableVersions } from './serving-config.ts';

/** What is known of a model. */
export type Listing = StoredModel & {
  readonly released: Release | undefined;
  /** From oldest to newest. */
  readonly servable: readonly string[];
};

export type CatalogueSettings = {
  /** How long what was found of a model is taken for current, in milliseconds. */
  readonly staleMs: number;
  /** How long a request waits for a look at what is known already, in milliseconds. */
  readonly patienceMs: number;
};

type Entry = {
  listing: Listing;
  /** When its look began. */
  readAt: Moment;
  askedSince: boolean;
};

/**
 * What the store holds of each model, and which versions of it are released. What was good goes on while the store can't
 * be read, takes too long, or holds a release.json that makes no sense.
 */
export class Catalogue {
  readonly #store: ModelStore;
  readonly #telemetry: Telemetry;
  readonly #log: Log;
  readonly #settings: CatalogueSettings;
  readonly #entries = new Map<string, Entry>();
  readonly #looks = new Map<string, Promise<Listing>>();
  readonly #overrides = new Map<string, Override>();
  /** Why a model's configuration can't be read. */
  readonly #rejected = new Map<string, string>();

  constructor(store: ModelStore, telemetry: Telemetry, log: Log, settings: CatalogueSettings) {
    this.#store = store;
    this.#telemetry = telemetry;
    this.#log = log;
    this.#settings = settings;
  }

  models(): Promise<readonly string[]> {
    return this.#store.models();
  }

  /** The models whose configuration can't be read, with the reason. */
  get rejected(): ReadonlyMap<string, string> {
    return this.#rejected;
  }

  /** The models that were asked for since they were last looked at. */
  asked(): string[] {
    return Array.from(this.#entries).flatMap(([model, { askedSince }]) => (askedSince ? [model] : []));
  }

  storeOf(model: string): ModelStore {
    return this.#overrides.get(model)?.store ?? this.#store;
  }

  overrideOf(model: string): Override | undefined {
    return this.#overrides.get(model);
  }

  /** What a load request brings along in place of what the store holds; undefined: nothing any more. */
  override(model: string, override: Override | undefined): void {
    if (override === undefined) this.#overrides.delete(model);
    else this.#overrides.set(model, override);
    this.#entries.delete(model);
    this.#rejected.delete(model);
    // A look that is under way sees the model as it was.
    this.#looks.delete(model);
  }

  /** What is known of a model, where it was looked at so lately that nobody has to wait. */
  current(model: string, maxAgeMs = this.#settings.staleMs): Listing | undefined {
    const known = this.#entries.get(model);
    if (known === undefined) return undefined;
    known.askedSince = true;
    return millisecondsSince(known.readAt) < maxAgeMs ? known.listing : undefined;
  }

  /**
   * What is known of a model; of one that is not there, that it has no versions.
   * @param maxAgeMs older knowledge is looked at again
   * @throws Unavailable
   */
  async find(model: string, maxAgeMs = this.#settings.staleMs): Promise<Listing> {
    const known = this.#entries.get(model);
    if (known === undefined) return this.look(model);
    const current = this.current(model, maxAgeMs);
    if (current !== undefined) return current;
    const patience = Promise.withResolvers<void>();
    const timer = setTimeout(patience.resolve, this.#settings.patienceMs);
    const found = await Promise.race([this.look(model), patience.promise]);
    clearTimeout(timer);
    if (found === undefined) this.#telemetry.staleServed(model);
    return found ?? known.listing;
  }

  /** Looks at the store, once for all who want to know at the same time. */
  look(model: string): Promise<Listing> {
    const underWay = this.#looks.get(model);
    if (underWay !== undefined) return underWay;
    const look = this.#look(model).finally(() => {
      if (this.#looks.get(model) === look) this.#looks.delete(model);
    });
    this.#looks.set(model, look);
    return look;
  }

  async #look(model: string): Promise<Listing> {
    const readAt = now();
    const known = this.#entries.get(model)?.listing;
    const override = this.#overrides.get(model);
    const stored = await this.storeOf(model)
      .find(model, known)
      .catch((error: unknown) => {
        if (error instanceof ModelRejected) throw this.#reject(model, error);
        if (known === undefined || !(error instanceof Unavailable)) throw error;
        this.#telemetry.staleServed(model);
        this.#log.warn({ model, reason: error.message }, 'serving what was known of the model');
        return known;
      });
    const isOld = this.#overrides.get(model) !== override;
    const found = { ...stored, config: override?.config ?? stored.config };
    const released = this.#readRelease(model, stored.release, known);
    this.#rejected.delete(model);
    const listing = { ...found, released, servable: servable(found, released) };
    if (isOld) return listing;
    // A model that is not there is not remembered, or names made up by clients would fill the memory.
    if (found.versions.length > 0) this.#entries.set(model, { listing, readAt, askedSince: false });
    else this.#entries.delete(model);
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
      this.#telemetry.staleServed(model);
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
      Math.ceil(this.#settings.staleMs / 1000),
    );
  }
}

type Moment = { readonly monotonic: number; readonly wall: number };

function now(): Moment {
  return { monotonic: performance.now(), wall: Date.now() };
}

/** On the clock that says more: one stands still in a snapshot of the machine, the other may be set back. */
function millisecondsSince({ monotonic, wall }: Moment): number {
  const { monotonic: monotonicNow, wall: wallNow } = now();
  return Math.max(monotonicNow - monotonic, wallNow - wall);
}

/** The versions that the policy allows, and those that are released. */
function servable({ config, versions }: StoredModel, released: Release | undefined): readonly string[] {
  const allowed = [...servableVersions(config.version_policy, versions), released?.live, released?.canary?.version];
  return versions.filter((version) => allowed.includes(version));
}
