import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { ModelStore } from '../inference/ports.ts';
import { isModelName, isVersion } from '../protocol/names.ts';

const MODEL_FILE = 'model.onnx';

/** A model repository in a folder: `<model>/<version>/model.onnx`. Names that the protocol does not allow are skipped. */
export class DirectoryStore implements ModelStore {
  readonly #root: string;

  constructor(root: string) {
    this.#root = root;
  }

  async models(): Promise<readonly string[]> {
    const names = (await readdir(this.#root)).filter(isModelName).sort();
    const versions = await Promise.all(names.map((name) => this.versions(name)));
    return names.filter((_, i) => versions[i]?.length);
  }

  async versions(model: string): Promise<readonly string[]> {
    const names = await readdir(join(this.#root, model)).catch(nothingThere);
    const candidates = names.filter(isVersion).sort((a, b) => Number(a) - Number(b));
    const files = await Promise.all(
      candidates.map((version) => stat(join(this.#root, model, version, MODEL_FILE)).catch(nothingThere)),
    );
    return candidates.filter((_, i) => !Array.isArray(files[i]) && files[i]?.isFile());
  }

  async fetch(model: string, version: string): Promise<string> {
    return join(this.#root, model, version, MODEL_FILE);
  }
}

/** A folder or file that is missing, or is a file where a folder should be, is no error here: there is no model. */
function nothingThere(error: NodeJS.ErrnoException): [] {
  if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return [];
  throw error;
}
