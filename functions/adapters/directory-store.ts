import { constants } from 'node:fs';
import { open, readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Fetched, FileHashes, ModelStore, StoredModel } from '../inference/ports.ts';
import type { ModelConfig } from '../protocol/model-config.ts';
import { isModelName, isVersion } from '../protocol/names.ts';
import { checkHash, checkPath } from './file-check.ts';
import { fileSha256 } from './file-hash.ts';
import { comesWith } from './version-files.ts';

const CONFIG_FILE = 'config.pbtxt';
const RELEASE_FILE = 'release.json';
const MODEL_FILE = 'model.onnx';
const MAX_NAMES = 1_000;
/** A link could lead out of the repository, and a pipe would never end to be opened. */
const NO_LINKS = constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0) | (constants.O_NONBLOCK ?? 0);

/**
 * A model repository in a folder: `<model>/config.pbtxt` and `<model>/<version>/model.onnx`. Names that the protocol does
 * not allow are skipped.
 */
export class DirectoryStore implements ModelStore {
  protected readonly root: string;
  readonly #isSealed: boolean;

  /** @param isSealed its files were checked when they came here, and can't change: they are not read for their hashes */
  constructor(root: string, isSealed = false) {
    this.root = root;
    this.#isSealed = isSealed;
  }

  async models(): Promise<readonly string[]> {
    const names = (await readdir(this.root)).filter(isModelName).sort();
    const versions = await Promise.all(names.map((name) => this.#versionFolders(name)));
    return names.filter((_, i) => versions[i]?.length);
  }

  async find(model: string): Promise<StoredModel> {
    const folders = await this.#versionFolders(model);
    if (folders.length === 0) return { config: {}, versions: [] };
    const config = await this.#config(model);
    const file = config.default_model_filename || MODEL_FILE;
    const files = await Promise.all(
      folders.map((version) => stat(join(this.root, model, version, file)).catch(nothingThere)),
    );
    const release = await readFile(join(this.root, model, RELEASE_FILE), 'utf8').catch(nothingThere);
    return { config, release, versions: folders.filter((_, i) => files[i]?.isFile()) };
  }

  async fetch(model: string, version: string, filename: string, sha256: FileHashes = {}): Promise<Fetched> {
    const folder = join(this.root, model, version);
    for (const [path, expected] of Object.entries(this.#isSealed ? {} : sha256)) {
      if (!comesWith(filename, path)) continue;
      checkPath(path);
      const found = await fileSha256(join(folder, path)).catch(nothingThere);
      checkHash(path, found, expected);
    }
    const all = (await readdir(folder, { recursive: true }).catch(nothingThere)) ?? [];
    const names = all.filter((name) => comesWith(filename, name.replaceAll('\\', '/')));
    const found = await Promise.all(names.map((name) => stat(join(folder, name)).catch(nothingThere)));
    const bytes = found.reduce((sum, file) => sum + (file?.isFile() ? file.size : 0), 0);
    return { path: join(folder, filename), bytes, done: () => {} };
  }

  async read(model: string, path: string): Promise<Uint8Array<ArrayBuffer>> {
    return new Uint8Array(await readFile(join(this.root, model, path)));
  }

  async readUpTo(model: string, path: string, limit: number): Promise<Uint8Array<ArrayBuffer> | number | undefined> {
    const file = await open(join(this.root, model, path), NO_LINKS).catch((error: NodeJS.ErrnoException) =>
      error.code === 'ELOOP' ? undefined : nothingThere(error),
    );
    try {
      const found = await file?.stat();
      if (file === undefined || !found?.isFile()) return undefined;
      return found.size > limit ? found.size : new Uint8Array(await file.readFile());
    } finally {
      await file?.close();
    }
  }

  async names(model: string, folder: string): Promise<readonly string[]> {
    const path = join(this.root, model, folder);
    const entries = (await readdir(path, { withFileTypes: true }).catch(nothingThere)) ?? [];
    const files = entries.filter((entry) => entry.isFile()).map(({ name }) => name);
    return files.sort().slice(0, MAX_NAMES);
  }

  async #versionFolders(model: string): Promise<string[]> {
    const names = (await readdir(join(this.root, model)).catch(nothingThere)) ?? [];
    return names.filter(isVersion).sort((a, b) => Number(a) - Number(b));
  }

  async #config(model: string): Promise<ModelConfig> {
    const text = await readFile(join(this.root, model, CONFIG_FILE), 'utf8').catch(nothingThere);
    if (text === undefined) return {};
    // Without a configuration nobody needs its parser.
    const { parseModelConfig } = await import('./model-config-text.ts');
    return parseModelConfig(text);
  }
}

/** A folder or file that is missing, or is a file where a folder should be, is no error here: there is no model. */
export function nothingThere(error: NodeJS.ErrnoException): undefined {
  if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return undefined;
  throw error;
}
