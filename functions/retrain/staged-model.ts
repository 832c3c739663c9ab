import { parseModelConfig } from '../adapters/model-config-text.ts';
import type { VersionSource } from '../inference/model-loader.ts';
import { type Content, type FileHashes, ModelRejected, type ModelRepository } from '../inference/ports.ts';
import type { ModelConfig } from '../protocol/model-config.ts';

export const CONFIG_FILE = 'config.pbtxt';
export const LABELS_FILE = 'labels.txt';
export const METRICS_FILE = 'metrics.json';
export const MODEL_FILE = 'model.onnx';

/** Where SageMaker puts what a job has left in its model folder. */
const OUTPUT = 'output';
const FOLDER = 'model';
/** What a job leaves beside the version: it belongs to the model, or to people. */
const NOT_OF_VERSION = /^(config\.pbtxt|labels\.txt|evaluation\.tar|training\.json|release\.json|samples\/.*)$/;
/** What the loop itself writes into a version. */
const OWN = /^((decision|lineage)\.json|compiled\/.*)$/;
const MAX_TEXT_BYTES = 16 * 1024 ** 2;

/** A trained model that is no version yet: the files of `<job>/output/model/`. */
export class StagedModel {
  readonly #repository: ModelRepository;
  #files: ReadonlyMap<string, Content> | undefined;

  /** @param repository of what is below the job's folder */
  constructor(repository: ModelRepository) {
    this.#repository = repository;
  }

  /**
   * What is to be the version's files, by path.
   * @throws ModelRejected for a job that has left no model, or a file of a name that is taken
   */
  async versionFiles(): Promise<ReadonlyMap<string, Content>> {
    const files = [...(await this.#all())].filter(([path]) => !NOT_OF_VERSION.test(path));
    if (!files.some(([path]) => path === MODEL_FILE)) {
      throw new ModelRejected(`the training job has left no ${MODEL_FILE}; expected one in its model folder`);
    }
    const taken = files.find(([path]) => OWN.test(path));
    if (taken !== undefined)
      throw new ModelRejected(`the training job has left a ${taken[0]}, which is not its to write`);
    return new Map(files);
  }

  /** config.pbtxt and labels, as far as there are any. */
  async modelFiles(): Promise<ReadonlyMap<string, Content>> {
    const all = await this.#all();
    return new Map([...all].filter(([path]) => path === CONFIG_FILE || path === LABELS_FILE));
  }

  /**
   * A small file; undefined where there is none.
   * @throws ModelRejected for a large one
   */
  async text(path: string): Promise<string | undefined> {
    const size = (await this.#all()).get(path)?.size;
    if (size === undefined) return undefined;
    if (size > MAX_TEXT_BYTES) {
      throw new ModelRejected(`the training job's ${path} has ${size} bytes; expected at most ${MAX_TEXT_BYTES}`);
    }
    return new TextDecoder().decode(await this.#repository.read(OUTPUT, `${FOLDER}/${path}`));
  }

  async config(): Promise<ModelConfig> {
    const text = await this.text(CONFIG_FILE);
    return text === undefined ? {} : parseModelConfig(text);
  }

  /**
   * For a loader: as a version of a model, of which everything else is read from `models`.
   * @param sha256 of the version's files, which they must still have
   * @param labelFiles names that the model's labels have there
   */
  async asVersion(models: ModelRepository, sha256: FileHashes, labelFiles: readonly string[]): Promise<VersionSource> {
    const labels = await this.text(LABELS_FILE);
    return {
      fetch: () => this.#repository.fetch(OUTPUT, FOLDER, MODEL_FILE, sha256),
      read: async (model, path) => {
        if (labels === undefined || !labelFiles.includes(path)) return models.read(model, path);
        return new TextEncoder().encode(labels);
      },
    };
  }

  async #all(): Promise<ReadonlyMap<string, Content>> {
    if (this.#files === undefined) {
      const prefix = `${FOLDER}/`;
      const files = [...(await this.#repository.files(OUTPUT))].filter(([path]) => path.startsWith(prefix));
      this.#files = new Map(files.map(([path, content]) => [path.slice(prefix.length), content]));
    }
    return this.#files;
  }
}
