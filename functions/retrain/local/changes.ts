import { type FSWatcher, watch } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { nothingThere } from '../../adapters/directory-store.ts';
import { isModelName } from '../../protocol/names.ts';

/**
 * Tells of models in whose data sets something has changed, as soon as the system says so; which it may forget to do. Folders are watched, not the
 * files in them, of which there may be more than a system lets one watch.
 */
export class Changes {
  readonly #root: string;
  readonly #onChange: (model: string) => void;
  readonly #watchers = new Map<string, FSWatcher>();

  constructor(root: string, onChange: (model: string) => void) {
    this.#root = root;
    this.#onChange = onChange;
  }

  /** Watches folders that have come, and no longer those that have gone. */
  async refresh(): Promise<void> {
    const folders = new Set([this.#root]);
    for (const model of (await foldersIn(this.#root)).filter(isModelName)) {
      folders.add(join(this.#root, model));
      for (const name of await foldersIn(join(this.#root, model))) folders.add(join(this.#root, model, name));
    }
    for (const folder of this.#watchers.keys()) if (!folders.has(folder)) this.#forget(folder);
    for (const folder of folders) if (!this.#watchers.has(folder)) this.#watch(folder);
  }

  close(): void {
    for (const folder of this.#watchers.keys()) this.#forget(folder);
  }

  #watch(folder: string): void {
    const [model] = folder.slice(this.#root.length + 1).split(/[\\/]/);
    try {
      const watcher = watch(folder, (_, name) => this.#onChange(model || name || ''));
      watcher.on('error', () => this.#forget(folder));
      this.#watchers.set(folder, watcher);
    } catch {
      // There are too many watched folders, or it has gone: whoever looks from time to time finds what comes.
    }
  }

  #forget(folder: string): void {
    this.#watchers.get(folder)?.close();
    this.#watchers.delete(folder);
  }
}

async function foldersIn(folder: string): Promise<string[]> {
  const entries = (await readdir(folder, { withFileTypes: true }).catch(nothingThere)) ?? [];
  return entries.filter((entry) => entry.isDirectory()).map(({ name }) => name);
}
