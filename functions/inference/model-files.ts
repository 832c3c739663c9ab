import { NotFound, TooLarge, UnknownModel } from '../protocol/errors.ts';
import { checkVersion, quote } from '../protocol/names.ts';
import type { ModelStore } from './ports.ts';
import type { ModelRegistry } from './registry.ts';
import { RELEASE_FILE } from './release.ts';

/** What training leaves beside a version's model. */
export type VersionFile = 'metrics.json' | 'report.html';

/** Lambda takes 6 MB as an answer, in base64. */
const MAX_BYTES = 4 * 1024 ** 2;
const MAX_SAMPLES = 100;
const SAMPLES = 'samples';
/** Images that browsers show and that hold no script, as SVG may. */
const SAMPLE_NAME = /^[A-Za-z0-9][A-Za-z0-9 ._-]{0,127}\.(png|jpe?g|gif|webp|bmp)$/i;

/** The files of a model's folder that people look at. The model need not be loaded for that. */
export class ModelFiles {
  readonly #registry: ModelRegistry;

  constructor(registry: ModelRegistry) {
    this.#registry = registry;
  }

  /** The text of release.json by which this process goes. @throws NotFound, UnknownModel, Unavailable */
  async release(model: string): Promise<string> {
    const { release } = await this.#registry.stored(model);
    if (release === undefined) throw missing(model, RELEASE_FILE);
    return release;
  }

  /** @throws NotFound, UnknownModel, TooLarge, Unavailable */
  async ofVersion(model: string, version: string, name: VersionFile): Promise<Uint8Array<ArrayBuffer>> {
    checkVersion(model, version);
    const { store, versions } = await this.#registry.stored(model);
    if (!versions.includes(version)) throw new UnknownModel(`'${model}' version ${version} is not found`);
    return this.#read(store, model, `${version}/${name}`);
  }

  /** The names of the images of the folder `samples`, sorted, the first 100. @throws UnknownModel, Unavailable */
  async samples(model: string): Promise<string[]> {
    const { store } = await this.#registry.stored(model);
    const names = await store.names(model, SAMPLES);
    return names.filter((name) => SAMPLE_NAME.test(name)).slice(0, MAX_SAMPLES);
  }

  /** @throws NotFound, UnknownModel, TooLarge, Unavailable */
  async sample(model: string, name: string): Promise<Uint8Array<ArrayBuffer>> {
    const { store } = await this.#registry.stored(model);
    if (!SAMPLE_NAME.test(name)) {
      throw new NotFound(
        `no sample has the name ${quote(name)}; expected one that GET /v2/models/{model}/samples lists`,
      );
    }
    return this.#read(store, model, `${SAMPLES}/${name}`);
  }

  async #read(store: ModelStore, model: string, path: string): Promise<Uint8Array<ArrayBuffer>> {
    const found = await store.readUpTo(model, path, MAX_BYTES);
    if (found === undefined) throw missing(model, path);
    if (typeof found === 'number') {
      throw new TooLarge(`${path} of '${model}' is too large: got ${found} bytes; expected at most ${MAX_BYTES}`);
    }
    return found;
  }
}

function missing(model: string, path: string): NotFound {
  return new NotFound(`'${model}' has no ${path}`);
}
