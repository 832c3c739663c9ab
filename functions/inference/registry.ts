import { Unavailable, UnknownModel } from '../protocol/errors.ts';
import { checkModelName, checkVersion } from '../protocol/names.ts';
import { CanaryWatch, type Observation, type Variant } from './canary-watch.ts';
import type { Catalogue, Listing } from './catalogue.ts';
import type { Lease, LoadedVersions, ModelState, ToLoad } from './loaded-versions.ts';
import type { ServedModel } from './model-loader.ts';
import type { EndCanary, Log, ModelId, ModelStore, Override, Telemetry } from './ports.ts';
import { publishedFiles, type Release, versionsFor } from './release.ts';

/** What was not found is looked for again, for a client that knows of it already, but not at every request. */
const MISS_AGE_MS = 1_000;

const FILL_WIDTH = 4;

/** A model in use. */
export type Use = Lease & {
  /** While a canary is tried. */
  readonly trial?: { readonly variant: Variant; readonly canary: string };
};

export type RegistrySettings = {
  /** Serve only models that `load` was called for, instead of all. */
  readonly explicit: boolean;
  /** How long a request waits for a new version, in milliseconds, before the one before it answers. */
  readonly swapPatienceMs: number;
  readonly endCanary: EndCanary;
};

/** Which version of a model answers. */
export class ModelRegistry {
  readonly #catalogue: Catalogue;
  readonly #loaded: LoadedVersions;
  readonly #telemetry: Telemetry;
  readonly #log: Log;
  readonly #endCanary: EndCanary;
  readonly #swapPatienceMs: number;
  readonly #watch = new CanaryWatch();
  /** The version of each model that answered last, but for canaries. */
  readonly #lastGood = new Map<string, string>();
  /** The version that answers as long as a listing is current: all that follows from it was done, and there is no canary. */
  readonly #settled = new WeakMap<Listing, string>();
  /** Canaries that were worse, by model. */
  readonly #ended = new Map<string, string>();
  readonly isExplicit: boolean;

  constructor(
    catalogue: Catalogue,
    loaded: LoadedVersions,
    telemetry: Telemetry,
    log: Log,
    settings: RegistrySettings,
  ) {
    this.#catalogue = catalogue;
    this.#loaded = loaded;
    this.#telemetry = telemetry;
    this.#log = log;
    this.#endCanary = settings.endCanary;
    this.#swapPatienceMs = settings.swapPatienceMs;
    this.isExplicit = settings.explicit;
  }

  models(): Promise<readonly string[]> {
    return this.#catalogue.models();
  }

  /** Everything that is loaded, or that failed to load. */
  states(): ModelState[] {
    const rejected = Array.from(this.#catalogue.rejected, ([model, reason]) => ({
      model,
      state: 'UNAVAILABLE' as const,
      reason,
    }));
    return [...rejected, ...this.#loaded.states()].sort((a, b) => (a.model < b.model ? -1 : 1));
  }

  served(): ServedModel[] {
    return this.#loaded.served();
  }

  /** Loads models, all at once; one that fails does not stop the others. */
  async preload(models: readonly string[]): Promise<void> {
    await Promise.allSettled(models.map((model) => this.get(model)));
  }

  /** Loads models of the repository, a few at a time, while there is room; in explicit mode none. */
  async fill(): Promise<void> {
    const models = this.isExplicit ? [] : [...(await this.models())];
    while (models.length > 0 && !this.#loaded.isHalfFull) await this.preload(models.splice(0, FILL_WIDTH));
  }

  /** As `use`, for those who only want to know something. */
  async get(model: string, version?: string): Promise<ServedModel> {
    const { served, end } = await this.use(model, version);
    end();
    return served;
  }

  /**
   * The model, loaded: the version asked for, or without one what its release.json names, or else the highest that loads.
   * @param caller decides whether a canary answers, always alike
   * @throws UnknownModel, or Unavailable for a version that is there but does not load
   */
  async use(model: string, version?: string, caller?: string): Promise<Use> {
    if (version !== undefined) checkVersion(model, version);
    const listing = await this.#listing(model);
    return version === undefined
      ? this.#useReleased(model, listing, caller)
      : this.#useVersion({ model, version }, listing);
  }

  /** As `use`, at once: undefined where anything has to be looked up, loaded, unloaded or refused before. */
  useReady(model: string, version?: string): Use | undefined {
    const listing = this.#catalogue.current(model);
    if (listing === undefined || (this.isExplicit && this.#catalogue.overrideOf(model) === undefined)) return undefined;
    if (version !== undefined && !listing.servable.includes(version)) return undefined;
    const wanted = version ?? this.#settled.get(listing);
    return wanted === undefined ? undefined : this.#loaded.useReady({ model, version: wanted });
  }

  /** What is known of a model, and where its files are. @throws UnknownModel, Unavailable */
  async stored(model: string): Promise<Listing & { readonly store: ModelStore }> {
    return { ...(await this.#listing(model)), store: this.#catalogue.storeOf(model) };
  }

  async #listing(model: string): Promise<Listing> {
    checkModelName(model);
    if (this.isExplicit && this.#catalogue.overrideOf(model) === undefined) {
      throw new UnknownModel(
        `'${model}' is not found; this server serves models after POST /v2/repository/models/{model}/load`,
      );
    }
    const listing = await this.#catalogue.find(model);
    if (listing.versions.length === 0) throw new UnknownModel(`'${model}' is not found`);
    return listing;
  }

  /** What came of a request while a canary is tried: one that is worse than the live version gets no more of them. */
  observe({ served: { model }, trial }: Use, observation: Observation): void {
    if (trial === undefined || this.#ended.get(model) === trial.canary) return;
    const reason = this.#watch.observe(model, trial.canary, trial.variant, observation);
    if (reason === undefined) return;
    this.#ended.set(model, trial.canary);
    this.#telemetry.canaryEnded(model);
    this.#log.warn({ model, version: trial.canary, reason }, 'ended the canary');
    this.#endCanary(model, trial.canary, reason).catch((error: unknown) => {
      this.#log.warn({ model, version: trial.canary, err: error }, 'the canary is still named in release.json');
    });
  }

  /** Looks at what was asked for lately; what is new of a model that is loaded is loaded before somebody asks for it. */
  async refresh(): Promise<void> {
    await Promise.allSettled(
      this.#catalogue.asked().map(async (model) => {
        const listing = await this.#catalogue.look(model);
        if (!this.served().some((served) => served.model === model)) return;
        const { released, servable } = listing;
        const wanted = released === undefined ? servable.slice(-1) : [released.live, released.canary?.version];
        for (const version of servable) {
          if (wanted.includes(version)) void this.#loaded.prepare(this.#toLoad({ model, version }, listing));
        }
      }),
    );
  }

  /**
   * In explicit mode: loads every version that the model's version_policy names, in place of what was loaded before; on
   * failure that goes on serving.
   * @throws UnknownModel, Unavailable
   */
  async load(model: string, override: Override): Promise<void> {
    checkModelName(model);
    const before = { override: this.#catalogue.overrideOf(model), slots: this.#loaded.take(model) };
    this.#catalogue.override(model, override);
    try {
      const listing = await this.#catalogue.find(model);
      if (listing.versions.length === 0) throw new UnknownModel(`'${model}' is not found`);
      await Promise.all(
        listing.servable.map(async (version) =>
          (await this.#loaded.use(this.#toLoad({ model, version }, listing))).end(),
        ),
      );
    } catch (error) {
      await this.#loaded.unload(this.#loaded.take(model));
      this.#catalogue.override(model, before.override);
      this.#loaded.restore(before.slots);
      throw error;
    }
    await this.#loaded.unload(before.slots);
  }

  /** In explicit mode: stops serving a model; requests under way are still answered. */
  async unload(model: string): Promise<void> {
    checkModelName(model);
    this.#catalogue.override(model, undefined);
    await this.#loaded.unload(this.#loaded.take(model));
  }

  async #useVersion(id: ModelId, known: Listing): Promise<Lease> {
    const isKnown = known.servable.includes(id.version);
    const listing = isKnown ? known : await this.#catalogue.find(id.model, MISS_AGE_MS);
    if (!listing.servable.includes(id.version)) {
      throw new UnknownModel(`'${id.model}' version ${id.version} is not found`);
    }
    return this.#loaded.use(this.#toLoad(id, listing));
  }

  async #useReleased(model: string, listing: Listing, caller: string | undefined): Promise<Use> {
    const { servable } = listing;
    const released = this.#withoutEnded(model, listing.released);
    await this.#loaded.keepOnly(model, listing.versions);
    let failure: unknown;
    const candidates = released === undefined ? servable.toReversed() : versionsFor(released, caller);
    for (const version of candidates) {
      if (!servable.includes(version)) continue;
      const wanted = this.#toLoad({ model, version }, listing);
      try {
        // Nobody waits for a version that is new while another one can answer.
        if (this.#loaded.stateOf(wanted) !== 'READY') {
          const lastGood = this.#useLastGood(model);
          await this.#loaded.prepare(wanted, lastGood === undefined ? 0 : this.#swapPatienceMs);
          if (lastGood !== undefined) {
            if (this.#loaded.stateOf(wanted) === 'LOADING') return lastGood;
            lastGood.end();
          }
        }
        const lease = await this.#loaded.use(wanted);
        await this.#loaded.keepOnly(model, servable);
        const canary = released?.canary?.version;
        if (version !== canary) this.#lastGood.set(model, version);
        if (canary === undefined) {
          this.#settled.set(listing, version);
          return lease;
        }
        return { ...lease, trial: { canary, variant: version === canary ? 'canary' : 'live' } };
      } catch (error) {
        if (!(error instanceof Unavailable)) throw error;
        failure ??= error;
      }
    }
    // None of the versions that should serve loads: the last good one goes on.
    const lastGood = this.#useLastGood(model);
    if (lastGood !== undefined) {
      this.#telemetry.staleServed(model);
      return lastGood;
    }
    if (released !== undefined && !servable.includes(released.live)) {
      throw new Unavailable(`'${model}' has no version ${released.live}, which its release.json names as live`, 1);
    }
    throw failure ?? new UnknownModel(`'${model}' has no version that its version_policy allows`);
  }

  #withoutEnded(model: string, released: Release | undefined): Release | undefined {
    const ended = this.#ended.get(model);
    if (ended === undefined || released === undefined) return released;
    if (released.canary?.version === ended) {
      const { canary: _, ...rest } = released;
      return rest;
    }
    this.#ended.delete(model);
    return released;
  }

  /** The version that answered last, where it is still loaded; not a canary, which is not proven to be good. */
  #useLastGood(model: string): Lease | undefined {
    const version = this.#lastGood.get(model);
    return this.#loaded.useLoaded((id) => id.model === model && id.version === version);
  }

  #toLoad(id: ModelId, { config, released }: Listing): ToLoad {
    const sha256 = released && publishedFiles(released, id.version);
    return { ...id, store: this.#catalogue.storeOf(id.model), config, sha256 };
  }
}
