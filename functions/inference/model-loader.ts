import type { ModelConfig } from '../protocol/model-config.ts';
import {
  COMPILED_FILE,
  COMPILED_MANIFEST,
  type CompiledUnused,
  compiledConfig,
  mismatch,
  modelFileOf,
  parseCompiledManifest,
  sharesWeights,
} from './compiled.ts';
import { checkGolden, GOLDEN_FILE, parseGolden } from './golden.ts';
import {
  type Engine,
  type Fetched,
  type FileHashes,
  type LoadedModel,
  type LoadTiming,
  type Log,
  type ModelId,
  ModelRejected,
  type ModelStore,
} from './ports.ts';
import { rowsAreIndependent } from './row-independence.ts';
import { resolveConfig, type ServingConfig } from './serving-config.ts';
import { checkSupported, unusedSettings } from './supported.ts';
import { warmUp } from './warmup.ts';

/** One version of a model, ready to compute. */
export type ServedModel = ModelId & {
  readonly loaded: LoadedModel;
  readonly serving: ServingConfig;
  /** Of each output that has a label file: its labels, in the order of the classes. */
  readonly labels: ReadonlyMap<string, readonly string[]>;
  readonly timing: LoadTiming;
  /** Why its compiled file is not what was loaded; undefined where it is, or where there is none. */
  readonly compiledUnused?: CompiledUnused;
  /** Of its files. */
  readonly bytes: number;
  /** Requests under way are still answered. */
  unload(): Promise<void>;
};

/** Where a version's files come from. */
export type VersionSource = Pick<ModelStore, 'fetch' | 'read'>;

export type LoaderSettings = {
  /** `max_batch_size` of a model that can batch and does not say how much. */
  readonly defaultMaxBatchSize: number;
  /** Requests of one model that may wait to be run together with others; 0 where requests come one at a time. */
  readonly maxBatcherQueue: number;
};

type From = {
  readonly store: VersionSource;
  readonly id: ModelId;
  readonly config: ModelConfig;
  readonly sha256: FileHashes | undefined;
  readonly makeRoom: (bytes: number) => Promise<void>;
};

type OnThisMachine = {
  readonly files: Fetched;
  /** For the engine. */
  readonly config: ModelConfig;
  readonly isShared: boolean;
  readonly download: number;
};

/** Makes a served model from what a store holds: fetches it, loads it into the engine, checks it and warms it up. */
export class ModelLoader {
  readonly #engine: Engine;
  readonly #log: Log;
  readonly #settings: LoaderSettings;

  constructor(engine: Engine, log: Log, settings: LoaderSettings) {
    this.#engine = engine;
    this.#log = log;
    this.#settings = settings;
  }

  /**
   * Loads the compiled file of a version that was published with one, where it was made for this machine and answers the
   * golden request; its plain file otherwise.
   * @param config what the model's config.pbtxt says
   * @param sha256 of the version's files, as it was published
   * @param makeRoom is called with the bytes of memory that the model will take, before it takes them
   * @throws ModelRejected
   */
  async load(
    store: VersionSource,
    id: ModelId,
    config: ModelConfig,
    sha256?: FileHashes,
    makeRoom: (bytes: number) => Promise<void> = async () => {},
  ): Promise<ServedModel> {
    const { model, version } = id;
    checkSupported(model, config);
    const unused = unusedSettings(config);
    if (unused.length > 0) {
      this.#log.warn({ model, version, unused }, 'config.pbtxt has settings that this server does not use');
    }
    const from = { store, id, config, sha256, makeRoom };
    const compiled = await this.#loadCompiled(from);
    if (typeof compiled === 'object') return compiled;
    const plain = await this.#start(from, await this.#fetch(from, modelFileOf(config), config));
    return compiled === undefined ? plain : { ...plain, compiledUnused: compiled };
  }

  /** The model of the compiled file; or why it can't be used. Undefined where none was published. */
  async #loadCompiled(from: From): Promise<ServedModel | CompiledUnused | undefined> {
    const { store, id, config, sha256 = {} } = from;
    if (sha256[COMPILED_MANIFEST] === undefined) return undefined;
    const text = async (path: string): Promise<string> =>
      new TextDecoder().decode(await store.read(id.model, `${id.version}/${path}`));
    const manifest = parseCompiledManifest(await text(COMPILED_MANIFEST).catch(() => ''));
    if (manifest === undefined) return this.#unused(id, 'manifest');
    const other = mismatch(manifest, this.#engine.target, config, sha256);
    if (other !== undefined) return this.#unused(id, other);
    // On its way together with the file; a failure is seen where it is waited for.
    const golden = sha256[GOLDEN_FILE] === undefined ? undefined : text(GOLDEN_FILE).then(parseGolden, unreadable);
    golden?.catch(() => {});
    let failing: CompiledUnused = 'file';
    try {
      const files = await this.#fetch(from, COMPILED_FILE, compiledConfig(manifest, config));
      failing = 'load';
      const served = await this.#start(from, files);
      failing = 'golden';
      try {
        if (golden !== undefined) await checkGolden(served, await golden);
      } catch (error) {
        await served.unload();
        throw error;
      }
      return served;
    } catch (error) {
      if (!(error instanceof ModelRejected)) throw error;
      return this.#unused(id, failing, error.message);
    }
  }

  #unused({ model, version }: ModelId, reason: CompiledUnused, why?: string): CompiledUnused {
    this.#log.warn({ model, version, reason, why }, "the compiled file can't be used; the plain one is loaded");
    return reason;
  }

  async #fetch({ store, id, sha256 }: From, filename: string, config: ModelConfig): Promise<OnThisMachine> {
    const started = performance.now();
    const files = await store.fetch(id.model, id.version, filename, sha256);
    return { files, config, isShared: sharesWeights(filename, config), download: performance.now() - started };
  }

  async #start(
    { store, id, config, makeRoom }: From,
    { files, config: given, isShared, download }: OnThisMachine,
  ): Promise<ServedModel> {
    const { model, version } = id;
    try {
      await makeRoom(this.#engine.memoryOf(files.bytes, isShared));
      const created = performance.now();
      const loaded = await this.#engine.load(id, files.path, given);
      const timing = { download, session: performance.now() - created };
      const { labels, ...batched } = await this.#prepared(store, model, config, loaded);
      const ms = Math.round(download + performance.now() - created);
      this.#log.info({ model, version, ms }, 'loaded model');
      const unload = async (): Promise<void> => {
        await batched.loaded.unload();
        files.done();
      };
      return { model, version, labels, timing, bytes: files.bytes, ...batched, unload };
    } catch (error) {
      files.done();
      throw error;
    }
  }

  /** The model as it will serve: checked against its configuration, and warm. */
  async #prepared(
    store: VersionSource,
    model: string,
    config: ModelConfig,
    loaded: LoadedModel,
  ): Promise<Pick<ServedModel, 'loaded' | 'serving' | 'labels'>> {
    try {
      const serving = resolveConfig(model, config, loaded, this.#settings.defaultMaxBatchSize);
      const labels = await readLabels(store, model, serving);
      await warmUp(model, serving, loaded, (file) =>
        store.read(model, `warmup/${file}`).catch(() => {
          throw new ModelRejected(`the folder 'warmup' has no file '${file}' that can be read`);
        }),
      );
      return { labels, ...(await this.#batched(model, config, serving, loaded)) };
    } catch (error) {
      await loaded.unload();
      throw error;
    }
  }

  /** The model behind a batcher, where its configuration asks for one and there are requests to merge. */
  async #batched(
    model: string,
    given: ModelConfig,
    serving: ServingConfig,
    loaded: LoadedModel,
  ): Promise<Pick<ServedModel, 'loaded' | 'serving'>> {
    const { dynamic_batching, ...rest } = serving.config;
    if (dynamic_batching === undefined) return { loaded, serving };
    const nothingToMerge = this.#settings.maxBatcherQueue === 0;
    if (given.dynamic_batching === undefined) {
      // What the configuration itself says is done. What was completed is a guess, which is checked.
      const isRight = !nothingToMerge && (await rowsAreIndependent(loaded));
      if (!isRight) return { loaded, serving: { ...serving, config: rest } };
    }
    if (nothingToMerge) return { loaded, serving };
    const { preferred_batch_size, max_queue_delay_microseconds = 0 } = dynamic_batching;
    const settings = {
      model,
      maxBatchSize: serving.maxBatchSize,
      preferred: preferred_batch_size?.length ? preferred_batch_size : [serving.maxBatchSize],
      maxDelayMs: max_queue_delay_microseconds / 1000,
      maxQueue: this.#settings.maxBatcherQueue,
    };
    // On Lambda there is nothing to merge.
    const { BatchingModel } = await import('./batcher.ts');
    return { loaded: new BatchingModel(loaded, settings), serving };
  }
}

function unreadable(): never {
  throw new ModelRejected(`${GOLDEN_FILE} can't be read`);
}

async function readLabels(
  store: VersionSource,
  model: string,
  { outputs }: ServingConfig,
): Promise<Map<string, readonly string[]>> {
  const labels = new Map<string, readonly string[]>();
  for (const { name, labelFile } of outputs) {
    if (labelFile === undefined) continue;
    const bytes = await store.read(model, labelFile).catch(() => {
      throw new ModelRejected(`config.pbtxt names the label file '${labelFile}', which can't be read`);
    });
    const text = new TextDecoder().decode(bytes);
    labels.set(name, text.replace(/\r?\n$/, '').split(/\r?\n/));
  }
  return labels;
}
